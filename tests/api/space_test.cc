// The verbs of a Space: limits and their sentences, expiry, range erasure, counters, versionstamps, scans.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "api/expect_error.h"
#include "ingot/ingot.h"

namespace ingot {
namespace {

using testing::expect_error;
using namespace std::chrono_literals;

std::vector<std::string> keys_of(Scan scan) {
  std::vector<std::string> keys;
  while (scan.next()) keys.emplace_back(scan.key());
  return keys;
}
using Keys = std::vector<std::string>;

class Spaces : public ::testing::Test {
 protected:
  Store store_ = open(":memory:");
  Space space_{"orders"};
};

// --- limits: at each, and one past it

TEST_F(Spaces, AKeyHasALimit) {
  const std::string longest(kKeyBytesMax, 'k');
  space_.put(store_, longest, "1");
  EXPECT_EQ(space_.get(store_, longest)->view(), "1");
  space_.put(store_, "", "the empty key is one");
  EXPECT_EQ(space_.get(store_, "")->view(), "the empty key is one");
  const std::string longer = "invoice/2024/" + std::string(kKeyBytesMax - 12, 'k');
  const auto says = {std::string_view("orders"), std::string_view("8193"), std::string_view("8192"),
                     std::string_view("invoice/2024/")};
  expect_error(ErrorCode::too_large, says, [&] { space_.put(store_, longer, "1"); });
  expect_error(ErrorCode::too_large, says, [&] { space_.erase(store_, longer); });
  expect_error(ErrorCode::too_large, says, [&] { space_.add(store_, longer, 1); });
  expect_error(ErrorCode::too_large, says, [&] { space_.expire(store_, longer, 1h); });
  expect_error(ErrorCode::too_large, {"8193", "8192"},
               [&] { space_.put_versioned(store_, longer.substr(0, 8181), ""); });
  space_.put_versioned(store_, longer.substr(0, 8180), "");
  Transaction tx = store_.begin();
  expect_error(ErrorCode::too_large, says, [&] { space_.put(tx, longer, "1"); });
  space_.put(tx, "still", "usable");
  EXPECT_TRUE(tx.commit());
}

TEST_F(Spaces, AnErrorShowsBytesThatAreNotTextEscaped) {
  expect_error(ErrorCode::too_large, {"\\x01"},
               [&] { space_.put(store_, std::string(kKeyBytesMax + 1, '\x01'), "1"); });
}

TEST_F(Spaces, AValueHasALimit) {
  const std::string largest(kValueBytesMax, 'v');
  space_.put(store_, "large", largest);
  EXPECT_EQ(space_.get(store_, "large")->size(), kValueBytesMax);
  EXPECT_EQ(space_.get(store_, "large")->view(), largest);
  expect_error(ErrorCode::too_large, {"orders", "8388609", "8388608", "large"},
               [&] { space_.put(store_, "large", largest + "v"); });
}

TEST_F(Spaces, ATransactionHasALimit) {
  const std::string large(kValueBytesMax, 'v');
  Transaction tx = store_.begin();
  for (int i = 0; i < 7; ++i) space_.put(tx, std::to_string(i), large);
  expect_error(ErrorCode::too_large, {"67108864"}, [&] { space_.put(tx, "7", large); });
  const std::size_t before = tx.bytes();
  EXPECT_LE(before, kTransactionBytesMax);
  space_.put(tx, "7", large.substr(0, kTransactionBytesMax - before - 100));
  ASSERT_TRUE(tx.commit());
  EXPECT_EQ(space_.get(store_, "6")->size(), kValueBytesMax);
  EXPECT_TRUE(space_.get(store_, "7"));
}

TEST_F(Spaces, ANameHasALimitAndSomeAreReserved) {
  const Space longest(std::string(kSpaceNameBytesMax, 'n'));
  longest.put(store_, "k", "v");
  EXPECT_EQ(longest.get(store_, "k")->view(), "v");
  expect_error(ErrorCode::too_large, {"129", "128"}, [] { Space(std::string(kSpaceNameBytesMax + 1, 'n')); });
  expect_error(ErrorCode::invalid_argument, {"name"}, [] { Space(""); });
  expect_error(ErrorCode::invalid_argument, {"reserved"}, [] { Space(std::string_view("\0x", 2)); });
}

TEST_F(Spaces, ArgumentsThatCannotBeRightAreRefused) {
  expect_error(ErrorCode::invalid_argument, {"orders"}, [&] { (void)space_.scan(store_, between("b", "a")); });
  expect_error(ErrorCode::invalid_argument, {"orders"}, [&] { space_.erase_range(store_, between("b", "a")); });
  expect_error(ErrorCode::invalid_argument, {"orders"}, [&] { space_.put(store_, "k", "v", {.ttl = 0us}); });
  expect_error(ErrorCode::invalid_argument, {"orders"}, [&] { space_.put(store_, "k", "v", {.ttl = -1s}); });
  expect_error(ErrorCode::invalid_argument, {"orders"}, [&] { space_.expire(store_, "k", 0us); });
  expect_error(ErrorCode::invalid_argument, {"orders", "12"}, [&] { space_.put_stamped(store_, "k", "short", 0); });
  expect_error(ErrorCode::invalid_argument, {"orders"},
               [&] { space_.put_stamped(store_, "k", std::string(20, '.'), static_cast<std::size_t>(-4)); });
  EXPECT_TRUE(keys_of(space_.scan(store_)).empty()) << "nothing of it was done";
}

TEST_F(Spaces, TheLargestExpiryMeansNever) {
  space_.put(store_, "k", "v", {.ttl = std::chrono::microseconds::max()});
  EXPECT_TRUE(space_.get(store_, "k"));
}

// --- expiry

TEST_F(Spaces, WhatHasExpiredIsGoneForEveryReaderAtOnce) {
  space_.put(store_, "brief", "1", {.ttl = 50ms});
  space_.put(store_, "long", "2", {.ttl = 1h});
  const Snapshot then = store_.snapshot();
  ASSERT_TRUE(space_.get(store_, "brief"));
  EXPECT_EQ(keys_of(space_.scan(store_)), (Keys{"brief", "long"}));
  std::this_thread::sleep_for(60ms);
  EXPECT_FALSE(space_.get(store_, "brief"));
  EXPECT_FALSE(space_.get_record(store_, "brief"));
  const Keys wanted = {"brief", "long"};
  EXPECT_FALSE(space_.get_many(store_, wanted)[0]);
  EXPECT_EQ(keys_of(space_.scan(store_)), (Keys{"long"}));
  EXPECT_EQ(keys_of(space_.scan(store_, all(), {.reverse = true})), (Keys{"long"}));
  EXPECT_TRUE(space_.get(then, "brief")) << "a snapshot taken before sees it always";
  EXPECT_EQ(keys_of(space_.scan(then)), (Keys{"brief", "long"}));
  store_.settle();
  EXPECT_TRUE(space_.get(then, "brief"));
  EXPECT_FALSE(space_.expire(store_, "brief", std::nullopt)) << "what has expired does not come back";
  EXPECT_FALSE(space_.get(store_, "brief"));
}

TEST_F(Spaces, ARecordSaysWhenItExpires) {
  const auto micros = [] {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const std::int64_t before = micros();
  space_.put(store_, "k", "v", {.ttl = 1h});
  const std::int64_t after = micros();
  const std::int64_t hour = std::chrono::microseconds(1h).count();
  const std::int64_t expires = space_.get_record(store_, "k")->expires_micros;
  EXPECT_GE(expires, before + hour);
  EXPECT_LE(expires, after + hour);
  Scan scan = space_.scan(store_);
  ASSERT_TRUE(scan.next());
  EXPECT_EQ(scan.expires_micros(), expires);
  space_.put(store_, "k", "v");
  EXPECT_EQ(space_.get_record(store_, "k")->expires_micros, 0) << "a put without an expiry lives for ever";
}

TEST_F(Spaces, AnExpiryCanBeAPointInTime) {
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  space_.put(store_, "later", "v", {.expires_micros = now + 3'600'000'000});
  EXPECT_EQ(space_.get_record(store_, "later")->expires_micros, now + 3'600'000'000);
  space_.put(store_, "over", "v");
  space_.put(store_, "over", "v", {.expires_micros = 1});
  EXPECT_FALSE(space_.get(store_, "over")) << "a time that has passed is allowed, and nobody sees the record";
  EXPECT_EQ(keys_of(space_.scan(store_)), (Keys{"later"}));
  expect_error(ErrorCode::invalid_argument, {"orders"},
               [&] { space_.put(store_, "k", "v", {.ttl = 1h, .expires_micros = now}); });
  expect_error(ErrorCode::invalid_argument, {"orders"}, [&] { space_.put(store_, "k", "v", {.expires_micros = -1}); });
}

TEST_F(Spaces, ExpireChangesTheExpiryAndNothingElse) {
  EXPECT_FALSE(space_.expire(store_, "absent", 1h));
  EXPECT_FALSE(space_.get(store_, "absent"));
  space_.put(store_, "k", "v");
  EXPECT_TRUE(space_.expire(store_, "k", 30ms));
  EXPECT_EQ(space_.get(store_, "k")->view(), "v");
  EXPECT_TRUE(space_.expire(store_, "k", std::nullopt));
  std::this_thread::sleep_for(40ms);
  EXPECT_EQ(space_.get(store_, "k")->view(), "v");
  EXPECT_TRUE(space_.expire(store_, "k", 1us));
  std::this_thread::sleep_for(1ms);
  EXPECT_FALSE(space_.get(store_, "k"));
}

// --- counters

TEST_F(Spaces, CountersBeginAtZeroAndWrap) {
  space_.add(store_, "count", 0);
  EXPECT_EQ(space_.get(store_, "count")->size(), 8U);
  EXPECT_EQ(space_.get(store_, "count")->counter(), 0);
  space_.add(store_, "count", INT64_MAX);
  space_.add(store_, "count", 1);
  EXPECT_EQ(space_.get(store_, "count")->counter(), INT64_MIN);
  space_.put(store_, "other", "\x05");
  space_.add(store_, "other", 2);
  EXPECT_EQ(space_.get(store_, "other")->counter(), 7) << "a shorter value is extended by zeros";
}

TEST_F(Spaces, AddKeepsTheExpiryAndAnExpiredBaseIsZero) {
  space_.add(store_, "count", 5);
  ASSERT_TRUE(space_.expire(store_, "count", 40ms));
  const std::int64_t expires = space_.get_record(store_, "count")->expires_micros;
  space_.add(store_, "count", 1);
  EXPECT_EQ(space_.get(store_, "count")->counter(), 6);
  EXPECT_EQ(space_.get_record(store_, "count")->expires_micros, expires);
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(space_.get(store_, "count"));
  space_.add(store_, "count", 3);
  EXPECT_EQ(space_.get(store_, "count")->counter(), 3);
  EXPECT_EQ(space_.get_record(store_, "count")->expires_micros, 0);
}

TEST_F(Spaces, CountersAddUpAcrossFlushesAndSnapshotsKeepTheirSums) {
  std::vector<Snapshot> snapshots;
  for (int i = 1; i <= 6; ++i) {
    space_.add(store_, "count", i);
    snapshots.push_back(store_.snapshot());
    if (i % 2 == 0) store_.settle();
  }
  std::int64_t sum = 0;
  for (int i = 1; i <= 6; ++i) {
    sum += i;
    EXPECT_EQ(space_.get(snapshots[static_cast<std::size_t>(i - 1)], "count")->counter(), sum);
  }
  EXPECT_EQ(space_.get(store_, "count")->counter(), 21);
}

// --- range erasure

TEST_F(Spaces, ARangeErasureTakesItsRangeAndNothingElse) {
  const Space before("ordera");
  const Space behind("orderz");
  for (const Space* space : std::vector<const Space*>{&before, &space_, &behind}) {
    for (const char* key : {"", "a", "b", "b\x01", "c"}) space->put(store_, key, key);
  }
  const Version version = store_.version();
  space_.erase_range(store_, between("b", "c"));
  EXPECT_EQ(store_.version(), version + 1) << "one mutation, whatever it covers";
  EXPECT_EQ(keys_of(space_.scan(store_)), (Keys{"", "a", "c"}));
  space_.put(store_, "b", "again");
  store_.settle();
  EXPECT_EQ(keys_of(space_.scan(store_)), (Keys{"", "a", "b", "c"}));
  space_.erase_range(store_, all());
  EXPECT_TRUE(keys_of(space_.scan(store_)).empty());
  store_.settle();
  EXPECT_TRUE(keys_of(space_.scan(store_)).empty());
  EXPECT_EQ(keys_of(before.scan(store_)).size(), 5U);
  EXPECT_EQ(keys_of(behind.scan(store_)).size(), 5U);
  EXPECT_EQ(store_.spaces(), (Keys{"ordera", "orderz"}));
}

// --- versionstamps

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char c : bytes) number = number << 8 | static_cast<unsigned char>(c);
  return number;
}

TEST_F(Spaces, VersionstampsAreTheCommitsVersionAndSortAsCommitted) {
  std::vector<Version> versions;
  for (int i = 0; i < 3; ++i) {
    Transaction tx = store_.begin();
    space_.put_versioned(tx, "log/", "first");
    space_.put_versioned(tx, "log/", "second");
    versions.push_back(tx.commit().value());
  }
  Scan scan = space_.scan(store_, prefix("log/"));
  std::string last;
  for (std::size_t i = 0; i < 6; ++i) {
    ASSERT_TRUE(scan.next());
    const std::string key(scan.key());
    ASSERT_EQ(key.size(), 4 + kVersionstampBytes);
    EXPECT_EQ(big_endian(std::string_view(key).substr(4, 8)), versions[i / 2]);
    EXPECT_EQ(scan.version(), versions[i / 2]);
    EXPECT_EQ(scan.value(), i % 2 == 0 ? "first" : "second");
    EXPECT_GT(key, last);
    last = key;
  }
  EXPECT_FALSE(scan.next());
}

TEST_F(Spaces, AStampGoesIntoTheValueWhereItWasAskedFor) {
  const std::string value = "head" + std::string(kVersionstampBytes, '.') + "tail";
  space_.put_stamped(store_, "k", value, 4);
  const std::optional<Record> record = space_.get_record(store_, "k");
  ASSERT_TRUE(record);
  const std::string_view got = record->value.view();
  ASSERT_EQ(got.size(), value.size());
  EXPECT_EQ(got.substr(0, 4), "head");
  EXPECT_EQ(got.substr(16), "tail");
  EXPECT_EQ(big_endian(got.substr(4, 8)), record->version);
  space_.put_stamped(store_, "exactly", std::string(kVersionstampBytes, '.'), 0);
  // Its value is not known inside the transaction, so it can't be put again with an expiry.
  Transaction tx = store_.begin();
  space_.put_stamped(tx, "k", value, 4);
  expect_error(ErrorCode::invalid_argument, {"orders", "put_stamped"}, [&] { space_.expire(tx, "k", 1h); });
  space_.put(tx, "k", "plain");
  EXPECT_TRUE(space_.expire(tx, "k", 1h));
  EXPECT_EQ(big_endian(space_.get(store_, "exactly")->view().substr(0, 8)), store_.version());
}

// --- scans

TEST_F(Spaces, RangesAreHalfOpenAndInByteOrder) {
  const std::string zero(1, '\0');
  for (const std::string& key : Keys{"", zero, "a", "a" + zero, "ab", "b", "\x7f", "\x80", "\xff", "\xff\xff"}) {
    space_.put(store_, key, "v");
  }
  EXPECT_EQ(keys_of(space_.scan(store_)),
            (Keys{"", zero, "a", "a" + zero, "ab", "b", "\x7f", "\x80", "\xff", "\xff\xff"}));
  EXPECT_EQ(keys_of(space_.scan(store_, between("a", "b"))), (Keys{"a", "a" + zero, "ab"}));
  EXPECT_EQ(keys_of(space_.scan(store_, prefix("a"))), (Keys{"a", "a" + zero, "ab"}));
  EXPECT_EQ(keys_of(space_.scan(store_, after("a"))),
            (Keys{"a" + zero, "ab", "b", "\x7f", "\x80", "\xff", "\xff\xff"}));
  EXPECT_EQ(keys_of(space_.scan(store_, before("a"))), (Keys{"", zero}));
  EXPECT_EQ(keys_of(space_.scan(store_, prefix("\xff"))), (Keys{"\xff", "\xff\xff"}));
  EXPECT_EQ(keys_of(space_.scan(store_, from("\x80"), {.reverse = true})), (Keys{"\xff\xff", "\xff", "\x80"}));
  EXPECT_EQ(keys_of(space_.scan(store_, before("a"), {.reverse = true, .limit = 1})), (Keys{zero}));
  EXPECT_TRUE(keys_of(space_.scan(store_, between("a", "a"))).empty());
  EXPECT_TRUE(keys_of(space_.scan(store_, all(), {.limit = 0})).empty());
}

TEST_F(Spaces, AScanStaysWhereItBegan) {
  for (int i = 0; i < 1000; ++i) space_.put(store_, key(i), std::to_string(i));
  Scan scan = space_.scan(store_);
  int count = 0;
  while (scan.next()) {
    EXPECT_EQ(scan.value(), std::to_string(count));
    space_.erase(store_, key(999 - count));
    if (count == 300) store_.settle();
    ++count;
  }
  EXPECT_EQ(count, 1000);
  EXPECT_TRUE(keys_of(space_.scan(store_)).empty());
}

TEST_F(Spaces, AScanMovesWithItsState) {
  space_.put(store_, "a", "1");
  space_.put(store_, "b", "2");
  Scan first = space_.scan(store_);
  ASSERT_TRUE(first.next());
  Scan second = std::move(first);
  ASSERT_TRUE(second.next());
  EXPECT_EQ(second.key(), "b");
  EXPECT_FALSE(second.next());
  EXPECT_FALSE(second.next()) << "the end stays the end";
}

TEST_F(Spaces, GetManyKeepsTheOrderAsked) {
  space_.put(store_, "a", "1");
  space_.put(store_, "b", "2");
  const Keys wanted = {"b", "missing", "a", "b"};
  const std::vector<std::optional<Value>> got = space_.get_many(store_, wanted);
  ASSERT_EQ(got.size(), 4U);
  EXPECT_EQ(got[0]->view(), "2");
  EXPECT_FALSE(got[1]);
  EXPECT_EQ(got[2]->view(), "1");
  EXPECT_EQ(got[3]->view(), "2");
  EXPECT_TRUE(space_.get_many(store_, Keys{}).empty());
}

TEST_F(Spaces, AreApart) {
  const Space other("orders2");
  space_.put(store_, "k", "1");
  other.put(store_, "k", "2");
  EXPECT_EQ(space_.get(store_, "k")->view(), "1");
  EXPECT_EQ(keys_of(space_.scan(store_)), (Keys{"k"}));
  EXPECT_EQ(store_.spaces(), (Keys{"orders", "orders2"}));
  space_.erase(store_, "k");
  EXPECT_EQ(store_.spaces(), (Keys{"orders2"}));
}

}  // namespace
}  // namespace ingot
