// The public Space: records, on the engine.
#include "ingot/space.h"

#include <algorithm>
#include <limits>

#include "base/time.h"
#include "engine/engine.h"
#include "engine/internal_key.h"
#include "engine/merged_view.h"
#include "engine/scan_state.h"
#include "ingot/error.h"
#include "ingot/limits.h"

namespace ingot {

namespace {

// As much of a key as helps to find it, in printable form.
std::string shown(std::string_view bytes) {
  constexpr std::size_t kShownMax = 40;
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : bytes.substr(0, kShownMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out.push_back(c);
    } else {
      out.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  }
  return out + "\"";
}

[[noreturn]] void throw_key_too_large(const char* verb, const std::string& space, std::string_view key) {
  throw Error(ErrorCode::too_large, std::string(verb) + " in space " + shown(space) + ": the key has " +
                                        std::to_string(key.size()) + " bytes, the limit is " +
                                        std::to_string(kKeyBytesMax) + " (it begins " + shown(key) +
                                        "). Move its long part into the value.");
}

void require_key(const char* verb, const std::string& space, std::string_view key) {
  if (key.size() > kKeyBytesMax) throw_key_too_large(verb, space, key);
}

void require_value(const char* verb, const std::string& space, std::string_view key, std::string_view value) {
  require_key(verb, space, key);
  if (value.size() > kValueBytesMax) {
    throw Error(ErrorCode::too_large, std::string(verb) + " in space " + shown(space) + ", key " + shown(key) +
                                          ": the value has " + std::to_string(value.size()) + " bytes, the limit is " +
                                          std::to_string(kValueBytesMax) +
                                          ". Split it over several keys, or keep it in a file and put its name here.");
  }
}

// When a record expires: at a time, or so long after now.
struct Expiry {
  std::int64_t at_micros = 0;
  std::chrono::microseconds ttl{0};

  // A clock that was set back does not shorten a life: now is what readers take it for, which never goes back behind
  // the newest commit.
  [[nodiscard]] std::int64_t in(const engine::TransactionState& tx) const {
    if (ttl.count() == 0) return at_micros;
    const std::int64_t now = std::max(base::wall_micros(), tx.time_micros);
    return ttl.count() > std::numeric_limits<std::int64_t>::max() - now ? std::numeric_limits<std::int64_t>::max()
                                                                        : now + ttl.count();
  }
};

Expiry expiry_after(const char* verb, const std::string& space, std::chrono::microseconds ttl) {
  if (ttl.count() < 1) {
    throw Error(ErrorCode::invalid_argument, std::string(verb) + " in space " + shown(space) + ": the ttl is " +
                                                 std::to_string(ttl.count()) + " µs, the least is 1");
  }
  return {0, ttl};
}

Expiry expiry_of(const char* verb, const std::string& space, const PutOptions& options) {
  if (options.expires_micros < 0 || (options.expires_micros != 0 && options.ttl)) {
    throw Error(ErrorCode::invalid_argument,
                std::string(verb) + " in space " + shown(space) +
                    (options.ttl ? ": ttl and expires_micros are both given" : ": expires_micros is negative"));
  }
  return options.ttl ? expiry_after(verb, space, *options.ttl) : Expiry{options.expires_micros, {}};
}

// The internal bounds of a range of keys.
struct Bounds {
  std::string begin;
  std::string end;
};

Bounds bounds_of(const char* verb, const std::string& space, const Range& range) {
  const std::string prefix = engine::space_prefix(space);
  if (range.end && *range.end < range.begin) {
    throw Error(ErrorCode::invalid_argument, std::string(verb) + " in space " + shown(space) + ": the range ends (" +
                                                 shown(*range.end) + ") before it begins (" + shown(range.begin) + ")");
  }
  // A bound may be longer than any key (the successor of the longest one).
  constexpr std::size_t kBoundBytesMax = kKeyBytesMax + 1;
  for (const std::string* bound : {&range.begin, range.end ? &*range.end : &range.begin}) {
    if (bound->size() > kBoundBytesMax) throw_key_too_large(verb, space, *bound);
  }
  return {prefix + range.begin, range.end ? prefix + *range.end : engine::prefix_end(prefix)};
}

// Reads `key` where it is asked for; `use` gets the record. Recorded in a transaction unless it is a peek.
bool read_in_transaction(engine::TransactionState& tx, std::string_view internal, bool recorded,
                         base::FunctionRef<void(const engine::Seen&)> use) {
  tx.require_open();
  const engine::View view{tx.state.get(), tx.version, tx.time_micros};
  const engine::OwnWrite* own = tx.own(internal);
  if (own != nullptr && own->kind == engine::OwnWrite::Kind::erased) return false;
  if (own != nullptr && own->kind == engine::OwnWrite::Kind::value) {
    use({own->value, 0, own->expires_micros});
    return true;
  }
  if (own == nullptr && tx.has_own() && tx.own_erased(internal)) return false;
  std::int64_t base = 0;
  std::int64_t expires = 0;
  const bool found = tx.engine->get_at(view, internal, [&](const engine::Seen& seen) {
    expires = seen.expires_micros;
    if (own == nullptr) {
      use(seen);
    } else {
      base = engine::counter_of(seen.value);
    }
  });
  if (recorded) {
    tx.reads.add_key(internal);
    if (found) tx.reads.saw_expiry(expires);
  }
  if (own == nullptr) return found;
  char bytes[8];
  base::store_little(bytes, static_cast<std::uint64_t>(base) + static_cast<std::uint64_t>(own->delta));
  use({{bytes, sizeof bytes}, 0, found ? expires : 0});
  return true;
}

}  // namespace

Space::Space(std::string_view name) : name_(name) {
  if (name.empty()) throw Error(ErrorCode::invalid_argument, "the name of a space is empty");
  if (name.size() > kSpaceNameBytesMax) {
    throw Error(ErrorCode::too_large, "the name of a space has " + std::to_string(name.size()) +
                                          " bytes, the limit is " + std::to_string(kSpaceNameBytesMax) +
                                          " (it begins " + shown(name) + ")");
  }
  if (name.front() == '\0')
    throw Error(ErrorCode::invalid_argument, "names of spaces that begin with a zero byte are reserved");
}

namespace {

bool read(engine::Engine* store, engine::SnapshotState* snapshot, engine::TransactionState* tx,
          std::string_view internal, base::FunctionRef<void(const engine::Seen&)> use) {
  if (store != nullptr) return store->get_newest(internal, use);
  if (snapshot != nullptr) {
    snapshot->engine->require_open();
    return snapshot->engine->get_at(snapshot->held.view(), internal, use);
  }
  if (tx == nullptr) throw Error(ErrorCode::closed, "the store, snapshot or transaction was moved from or closed");
  return read_in_transaction(*tx, internal, true, use);
}

// Runs one write on a transaction, or as a transaction of its own.
template <class Write>
void write(engine::Engine* store, engine::TransactionState* tx, Write&& apply) {
  if (tx != nullptr) {
    tx->require_open();
    apply(*tx);
    return;
  }
  if (store == nullptr) throw Error(ErrorCode::closed, "the store or transaction was moved from or closed");
  store->require_writable();
  engine::HeldView held = store->hold();
  engine::TransactionState own(store->shared_from_this(), std::move(held.state), held.version, held.time_micros,
                               store->options().durability);
  apply(own);
  store->commit(own);  // it reads nothing, so it can't lose
}

}  // namespace

std::optional<Value> Space::get(Reader where, std::string_view key) const {
  require_key("get", name_, key);
  std::optional<Value> value;
  const engine::InternalKey internal(name_, key);
  read(where.store_, where.snapshot_, where.transaction_, internal,
       [&](const engine::Seen& seen) { value.emplace(seen.value); });
  return value;
}

std::optional<Record> Space::get_record(Reader where, std::string_view key) const {
  require_key("get", name_, key);
  std::optional<Record> record;
  const engine::InternalKey internal(name_, key);
  read(where.store_, where.snapshot_, where.transaction_, internal, [&](const engine::Seen& seen) {
    record.emplace();
    record->value.assign(seen.value);
    record->version = seen.version;
    record->expires_micros = seen.expires_micros;
  });
  return record;
}

std::vector<std::optional<Value>> Space::get_many(Reader where, std::span<const std::string> keys) const {
  std::vector<std::optional<Value>> values;
  values.reserve(keys.size());
  if (where.store_ == nullptr) {
    for (const std::string& key : keys) values.push_back(get(where, key));
    return values;
  }
  // All of them as of one version.
  where.store_->refresh();
  const engine::HeldView held = where.store_->hold();
  for (const std::string& key : keys) {
    require_key("get", name_, key);
    std::optional<Value>& value = values.emplace_back();
    where.store_->get_at(held.view(), engine::InternalKey(name_, key),
                         [&](const engine::Seen& seen) { value.emplace(seen.value); });
  }
  return values;
}

std::optional<Value> Space::peek(Transaction& tx, std::string_view key) const {
  require_key("peek", name_, key);
  if (tx.state_ == nullptr) throw Error(ErrorCode::closed, "the transaction was moved from");
  std::optional<Value> value;
  read_in_transaction(*tx.state_, engine::InternalKey(name_, key), false,
                      [&](const engine::Seen& seen) { value.emplace(seen.value); });
  return value;
}

Scan Space::scan(Reader where, const Range& range, ScanOptions options) const {
  Bounds bounds = bounds_of("scan", name_, range);
  auto state = std::make_unique<engine::ScanState>();
  state->prefix_bytes = 1 + name_.size();
  state->reverse = options.reverse;
  state->left = options.limit;
  engine::HeldView held;
  if (where.store_ != nullptr) {
    where.store_->refresh();
    held = where.store_->hold();
    state->engine = where.store_;
  } else if (where.snapshot_ != nullptr) {
    where.snapshot_->engine->require_open();
    held = where.snapshot_->held;
    state->engine = where.snapshot_->engine.get();
  } else {
    if (where.transaction_ == nullptr)
      throw Error(ErrorCode::closed, "the store, snapshot or transaction was moved from or closed");
    where.transaction_->require_open();
    held = {where.transaction_->state, where.transaction_->version, where.transaction_->time_micros};
    state->engine = where.transaction_->engine.get();
    state->transaction = where.transaction_;
    state->recorded = !options.peek;
  }
  state->begin = bounds.begin;
  state->end = bounds.end;
  state->view = std::make_unique<engine::MergedView>(std::move(held.state), held.version, held.time_micros,
                                                     std::move(bounds.begin), std::move(bounds.end),
                                                     engine::ScanUse::lookup, state->engine->on_lost());
  return Scan(std::move(state));
}

void Space::put(Writer where, std::string_view key, std::string_view value, PutOptions options) const {
  require_value("put", name_, key, value);
  const Expiry expires = expiry_of("put", name_, options);
  const engine::InternalKey internal(name_, key);
  write(where.store_, where.transaction_,
        [&](engine::TransactionState& tx) { tx.put(internal, value, expires.in(tx)); });
}

void Space::erase(Writer where, std::string_view key) const {
  require_key("erase", name_, key);
  const engine::InternalKey internal(name_, key);
  write(where.store_, where.transaction_, [&](engine::TransactionState& tx) { tx.erase(internal); });
}

void Space::erase_range(Writer where, const Range& range) const {
  const Bounds bounds = bounds_of("erase_range", name_, range);
  if (bounds.begin == bounds.end) return;
  write(where.store_, where.transaction_,
        [&](engine::TransactionState& tx) { tx.erase_range(bounds.begin, bounds.end); });
}

void Space::add(Writer where, std::string_view key, std::int64_t delta) const {
  require_key("add", name_, key);
  const engine::InternalKey internal(name_, key);
  write(where.store_, where.transaction_, [&](engine::TransactionState& tx) { tx.add(internal, delta); });
}

bool Space::expire(Writer where, std::string_view key, std::optional<std::chrono::microseconds> ttl) const {
  require_key("expire", name_, key);
  const Expiry expires = ttl ? expiry_after("expire", name_, *ttl) : Expiry();
  const engine::InternalKey internal(name_, key);
  const auto attempt = [&](engine::TransactionState& tx) {
    std::optional<Value> value;
    read_in_transaction(tx, internal, true, [&](const engine::Seen& seen) { value.emplace(seen.value); });
    if (value && tx.is_stamped(internal)) {
      throw Error(ErrorCode::invalid_argument,
                  "expire in space " + shown(name_) + ", key " + shown(key) +
                      ": this transaction put it with a versionstamp, which is not known yet. Give the ttl to "
                      "put_stamped.");
    }
    if (value) tx.put(internal, *value, expires.in(tx));
    return value.has_value();
  };
  if (where.transaction_ != nullptr) return attempt(*where.transaction_);
  if (where.store_ == nullptr) throw Error(ErrorCode::closed, "the store or transaction was moved from or closed");
  where.store_->require_writable();
  for (std::uint32_t losses = 0;;) {
    where.store_->refresh();
    engine::HeldView held = where.store_->hold();
    engine::TransactionState tx(where.store_->shared_from_this(), std::move(held.state), held.version, held.time_micros,
                                where.store_->options().durability);
    const bool there = attempt(tx);
    if (where.store_->commit(tx)) return there;
    bool elder = true;  // one key: it wins soon enough without
    where.store_->wait_after_loss(++losses, elder);
  }
}

void Space::put_versioned(Writer where, std::string_view key_prefix, std::string_view value, PutOptions options) const {
  std::string key(key_prefix);
  key.append(kVersionstampBytes, '\0');
  require_value("put_versioned", name_, key, value);
  const Expiry expires = expiry_of("put_versioned", name_, options);
  const engine::InternalKey internal(name_, key);
  write(where.store_, where.transaction_,
        [&](engine::TransactionState& tx) { tx.put_stamped_key(internal, value, expires.in(tx)); });
}

void Space::put_stamped(Writer where, std::string_view key, std::string value, std::size_t offset,
                        PutOptions options) const {
  require_value("put_stamped", name_, key, value);
  if (value.size() < kVersionstampBytes || offset > value.size() - kVersionstampBytes) {
    throw Error(ErrorCode::invalid_argument,
                "put_stamped in space " + shown(name_) + ", key " + shown(key) + ": a stamp of " +
                    std::to_string(kVersionstampBytes) + " bytes at offset " + std::to_string(offset) +
                    " does not fit into the value of " + std::to_string(value.size()) + " bytes");
  }
  const Expiry expires = expiry_of("put_stamped", name_, options);
  const engine::InternalKey internal(name_, key);
  write(where.store_, where.transaction_,
        [&](engine::TransactionState& tx) { tx.put_stamped_value(internal, value, expires.in(tx), offset); });
}

}  // namespace ingot
