#include "shop.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace demo {

namespace {

constexpr std::string_view kRevision = ",\"Revision\":\"";
constexpr std::string_view kRevisionEnd = "\"}";

[[noreturn]] void wrong(const std::string& what) {
  throw Wrong{what};
}

std::string require(std::optional<ingot::Value> value, const std::string& what) {
  if (!value) wrong(what + " is gone");
  return value->str();
}

}  // namespace

std::int64_t number(std::string_view text) {
  std::int64_t result = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc() || end != text.data() + text.size()) wrong("\"" + std::string(text) + "\" is no number");
  return result;
}

std::optional<OrderId> order_id(std::string_view key) {
  const auto parts = ingot::key_parts(key);
  if (!parts || parts->size() != 2) return std::nullopt;
  return OrderId{static_cast<std::uint32_t>((*parts)[0].integer), static_cast<std::uint64_t>((*parts)[1].integer)};
}

std::optional<Order> parse_order(std::string_view text) {
  const std::size_t first = text.find(' ');
  const std::size_t second = text.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  return Order{std::string(text.substr(0, first)), std::string(text.substr(first + 1, second - first - 1)),
               number(text.substr(second + 1))};
}

std::optional<Revised> split_revision(std::string_view value) {
  if (value.size() < 2 || value.front() != '{' || value.back() != '}') return std::nullopt;
  const std::size_t at = value.rfind(kRevision);
  if (at == std::string_view::npos) return Revised{std::string(value), 0};
  std::string_view digits = value.substr(at + kRevision.size());
  digits.remove_suffix(kRevisionEnd.size());
  return Revised{std::string(value.substr(0, at)) + "}", static_cast<std::uint64_t>(number(digits))};
}

std::string with_revision(const Revised& revised) {
  std::string value = revised.record;
  value.pop_back();
  value.append(kRevision).append(std::to_string(revised.revision)).append(kRevisionEnd);
  return value;
}

std::string version_bytes(ingot::Version version) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(version >> (8 * (7 - i)));
  return bytes;
}

std::optional<ingot::Version> version_of(std::string_view key) {
  if (key.size() != ingot::kVersionstampBytes) return std::nullopt;
  ingot::Version version = 0;
  for (const char c : key.substr(0, 8)) version = version << 8 | static_cast<unsigned char>(c);
  return version;
}

void fill_stock(ingot::Store& store, const std::vector<std::string>& names) {
  store.transact([&](ingot::Transaction& tx) {
    for (const std::string& name : names) kStock.put(tx, name, std::to_string(kUnitsAtFirst));
    kTotals.add(tx, "orders", 0);
    kTotals.add(tx, "done", 0);
  });
}

// By hand instead of Store::transact, because the version that the commit returned is what is told to the supervisor.
Committed place_order(ingot::Store& store, const OrderId& id, const std::string& from, const std::string& to,
                      std::int64_t units) {
  for (Committed committed;; ++committed.conflicts) {
    ingot::Transaction tx = store.begin();
    std::optional<Revised> package = split_revision(require(kPackages.get(tx, from), "package " + from));
    if (!package) wrong("package " + from + " is no JSON object any more");
    const std::int64_t on_shelf = number(require(kStock.get(tx, from), "stock of " + from));
    const std::int64_t on_other = number(require(kStock.get(tx, to), "stock of " + to));
    const std::int64_t moved = std::min(units, on_shelf);
    ++package->revision;
    kPackages.put(tx, from, with_revision(*package));
    kStock.put(tx, from, std::to_string(on_shelf - moved));
    kStock.put(tx, to, std::to_string(on_other + moved));
    kOrders.put(tx, id.key(), Order{from, to, moved}.text());
    kJobs.put(tx, id.key(), "ship");
    kAudit.put_versioned(tx, "", "order " + id.text());
    kTotals.add(tx, "orders", 1);
    if (const std::optional<ingot::Version> version = tx.commit()) {
      committed.version = *version;
      return committed;
    }
  }
}

std::optional<Shipped> ship_order(ingot::Store& store, const OrderId& start) {
  for (Shipped shipped;; ++shipped.commit.conflicts) {
    ingot::Transaction tx = store.begin();
    std::optional<OrderId> found;
    for (const ingot::Range& range : {ingot::from(start.key()), ingot::all()}) {
      ingot::Scan jobs = kJobs.scan(tx, range, {.limit = 1});
      if (!jobs.next()) continue;
      found = order_id(jobs.key());
      break;
    }
    if (!found) return std::nullopt;
    shipped.order = *found;
    const std::string key = found->key();
    if (!kOrders.get(tx, key)) wrong("the job of order " + found->text() + " is there, the order is not");
    if (kDone.get(tx, key)) wrong("order " + found->text() + " is done, and has a job");
    kJobs.erase(tx, key);
    kDone.put(tx, key, "shipped");
    kTotals.add(tx, "done", 1);
    if (const std::optional<ingot::Version> version = tx.commit()) {
      shipped.commit.version = *version;
      return shipped;
    }
  }
}

std::uint64_t inspect(const ingot::Store& store, std::size_t packages) {
  const ingot::Snapshot snapshot = store.snapshot();
  const std::string at = " (snapshot " + std::to_string(snapshot.version()) + ")";
  std::uint64_t records = 0;
  std::int64_t units = 0;
  std::size_t shelves = 0;
  for (const auto& [name, value] : kStock.scan(snapshot)) {
    units += number(value);
    ++shelves;
  }
  if (shelves != packages) wrong(std::to_string(shelves) + " shelves instead of " + std::to_string(packages) + at);
  const std::int64_t expected = static_cast<std::int64_t>(packages) * kUnitsAtFirst;
  if (units != expected) wrong(std::to_string(units) + " units instead of " + std::to_string(expected) + at);
  records += shelves;

  // Orders, their jobs or done rows, side by side in the order of their keys; and their audit lines by version.
  std::set<ingot::Version> audited;
  for (ingot::Scan scan = kAudit.scan(snapshot); scan.next(); ++records) {
    const std::optional<ingot::Version> version = version_of(scan.key());
    if (!version || *version != scan.version()) wrong("an audit line's key is not its version" + at);
    audited.insert(*version);
  }
  ingot::Scan jobs = kJobs.scan(snapshot);
  ingot::Scan done = kDone.scan(snapshot);
  bool more_jobs = jobs.next();
  bool more_done = done.next();
  std::int64_t orders_count = 0;
  std::int64_t done_count = 0;
  for (ingot::Scan orders = kOrders.scan(snapshot); orders.next();) {
    const bool waits = more_jobs && jobs.key() == orders.key();
    const bool is_done = more_done && done.key() == orders.key();
    const std::string text = order_id(orders.key()).value_or(OrderId{}).text();
    if (waits == is_done) wrong("order " + text + (waits ? " waits and is done" : " neither waits nor is done") + at);
    if (audited.erase(orders.version()) != 1) wrong("order " + text + " has no audit line" + at);
    ++orders_count;
    if (waits) {
      more_jobs = jobs.next();
    } else {
      ++done_count;
      more_done = done.next();
    }
    records += 2;
  }
  if (more_jobs || more_done) wrong("a job or a done row has no order" + at);
  if (!audited.empty()) wrong(std::to_string(audited.size()) + " audit lines have no order" + at);
  const auto total = [&](const char* name) {
    const std::optional<ingot::Value> value = kTotals.get(snapshot, name);
    return value ? value->counter() : -1;
  };
  if (total("orders") != orders_count) {
    wrong("totals/orders is " + std::to_string(total("orders")) + ", there are " + std::to_string(orders_count) + at);
  }
  if (total("done") != done_count) {
    wrong("totals/done is " + std::to_string(total("done")) + ", there are " + std::to_string(done_count) + at);
  }
  return records;
}

}  // namespace demo
