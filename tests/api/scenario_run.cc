// Runs a scenario on a real store and on the model, and compares all that can be seen.
#include <algorithm>
#include <chrono>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "api/model.h"
#include "api/scenario.h"
#include "support/temporary_directory.h"

namespace ingot::model {

namespace {

constexpr std::uint32_t kSpaces = 3;
constexpr std::size_t kTransactionsMax = 3;
constexpr std::size_t kSnapshotsMax = 3;
constexpr std::chrono::microseconds kBrief{1};

class Wrong : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::string shown(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes.substr(0, 24)) {
    if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      constexpr const char* kDigits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  text += "\"";
  if (bytes.size() > 24) text += "… (" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

std::int64_t wall_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Keys that are near each other in all the ways that matter: empty, zeros, ones that begin with others, 0xff.
std::string make_key(std::uint32_t number) {
  static const char* const kPieces[] = {"a", "b", "ab", "\xff", "a.", "zz", "b\x01"};
  std::string key;
  while (number != 0) {
    const std::uint32_t digit = number % 8;
    if (digit == 7) {
      key.push_back('\0');
    } else {
      key += kPieces[digit];
    }
    number /= 8;
  }
  return key;
}

std::string make_value(std::uint32_t number, std::uint32_t bytes) {
  std::string value(bytes, '\0');
  std::uint32_t state = number * 2654435761U + bytes;
  for (char& c : value) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>('a' + (state >> 24) % 26);
  }
  return value;
}

class Runner {
 public:
  Runner(const Scenario& scenario, std::vector<std::string>* trace) : scenario_(scenario), trace_(trace) {
    for (std::uint32_t i = 0; i < kSpaces; ++i) spaces_.emplace_back("space" + std::to_string(i));
    open();
  }

  void run() {
    for (const Step& step : scenario_.steps) take(step);
    transactions_.clear();
    snapshots_.clear();
    compare_all();
  }

 private:
  struct OpenTransaction {
    ingot::Transaction real;
    Transaction model;
    std::size_t handle;
  };
  struct OpenSnapshot {
    ingot::Snapshot real;
    Records model;
  };
  // Where a step reads or writes: exactly one of the last two, or neither (the store itself).
  struct Target {
    std::size_t handle = 0;
    OpenTransaction* transaction = nullptr;
    OpenSnapshot* snapshot = nullptr;
    std::string name;
  };

  template <class... Parts>
  void note(const Parts&... parts) {
    if (trace_ == nullptr) return;
    std::ostringstream line;
    (line << ... << parts);
    trace_->push_back(line.str());
  }
  template <class... Parts>
  [[noreturn]] static void wrong(const Parts&... parts) {
    std::ostringstream line;
    (line << ... << parts);
    throw Wrong(line.str());
  }

  void open() {
    Options options;
    options.durability = Durability::process;
    options.memory_bytes = 64 << 20;  // as little as it takes
    const std::string where = scenario_.in_memory ? ":memory:" : directory_.at("store");
    for (std::uint32_t i = 0; i < scenario_.handles; ++i) stores_.push_back(ingot::open(where, options));
  }

  Target reader(const Step& step) {
    Target target = writer(step);
    const std::size_t choice = step.where % (1 + transactions_.size() + snapshots_.size());
    if (choice > transactions_.size()) {
      target.transaction = nullptr;
      target.snapshot = &snapshots_[choice - transactions_.size() - 1];
      target.name = "snapshot " + std::to_string(choice - transactions_.size() - 1);
    }
    return target;
  }
  Target writer(const Step& step) {
    Target target;
    target.handle = step.where / 7 % stores_.size();
    target.name = "store " + std::to_string(target.handle);
    const std::size_t choice = step.where % (1 + transactions_.size() + snapshots_.size());
    if (choice != 0 && choice <= transactions_.size()) {
      target.transaction = &transactions_[choice - 1];
      target.name = "transaction " + std::to_string(choice - 1);
    }
    return target;
  }
  Reader real_reader(const Target& target) {
    if (target.snapshot != nullptr) return {target.snapshot->real};
    if (target.transaction != nullptr) return {target.transaction->real};
    return {stores_[target.handle]};
  }
  Writer real_writer(const Target& target) {
    if (target.transaction != nullptr) return {target.transaction->real};
    return {stores_[target.handle]};
  }
  const Records& records(const Target& target) const {
    if (target.snapshot != nullptr) return target.snapshot->model;
    if (target.transaction != nullptr) return target.transaction->model.view();
    return store_.now();
  }

  static std::string full(std::uint32_t space, std::string_view key) {
    return static_cast<char>('0' + space) + std::string(key);
  }
  static Range real_range(const Step& step) {
    const std::string a = make_key(step.key);
    const std::string b = make_key(step.key2);
    switch (step.range) {
      case 0:
        return all();
      case 1:
        return between(std::min(a, b), std::max(a, b));
      case 2:
        return from(a);
      case 3:
        return before(a);
      case 4:
        return prefix(a);
      default:
        return after(a);
    }
  }
  static Stretch stretch(std::uint32_t space, const Range& range) {
    return {full(space, range.begin),
            range.end ? full(space, *range.end) : std::string(1, static_cast<char>('1' + space))};
  }

  // What a step wrote: into the transaction, or committed at once.
  void wrote(const Target& target, const Mutation& mutation) {
    if (target.transaction != nullptr) {
      target.transaction->model.write(mutation);
      return;
    }
    committed({mutation}, stores_[target.handle].version());
  }
  void committed(const std::vector<Mutation>& mutations, Version version) {
    if (version != newest_ + 1) wrong("the commit got version ", version, ", the one before had ", newest_);
    newest_ = version;
    store_.commit(mutations, version);
    for (const Mutation& mutation : mutations) {
      if (!mutation.cell.brief) continue;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      break;
    }
  }

  void check_expiry(const Cell& cell, std::int64_t expires, const std::string& what) {
    if (expires < cell.expires_low || expires > cell.expires_high) {
      wrong(what, " expires at ", expires, ", not within ", cell.expires_low, " … ", cell.expires_high);
    }
  }
  void compare(const std::optional<Value>& got, const Cell* expected, const std::string& what) {
    if (got.has_value() != (expected != nullptr)) wrong(what, got ? " is there" : " is absent", ", wrongly");
    if (got && got->view() != expected->value) wrong(what, " is ", shown(*got), ", not ", shown(expected->value));
  }

  void take(const Step& step) {
    const std::uint32_t space = step.space % kSpaces;
    const Space& real = spaces_[space];
    const std::string key = make_key(step.key);
    const std::string name = real.name() + "/" + shown(key);
    switch (step.verb) {
      case Verb::put:
      case Verb::put_ttl:
      case Verb::put_brief:
        return put(step, writer(step), space, key, name);
      case Verb::erase: {
        const Target target = writer(step);
        note(target.name, ": erase ", name);
        real.erase(real_writer(target), key);
        return wrote(target, {Mutation::Kind::erase, just(full(space, key)), {}, 0});
      }
      case Verb::erase_range: {
        const Target target = writer(step);
        const Range range = real_range(step);
        note(target.name, ": erase_range ", real.name(), " ", shown(range.begin), " … ",
             range.end ? shown(*range.end) : "end");
        const std::size_t commits = store_.commits();
        const Version before = stores_[target.handle].version();
        real.erase_range(real_writer(target), range);
        // An empty range may be a commit, or nothing at all.
        if (target.transaction == nullptr && commits == store_.commits() && range.end && *range.end <= range.begin &&
            stores_[target.handle].version() == before) {
          return;
        }
        return wrote(target, {Mutation::Kind::erase_range, stretch(space, range), {}, 0});
      }
      case Verb::add: {
        const Target target = writer(step);
        const std::int64_t delta = static_cast<std::int64_t>(step.amount) - 300;
        note(target.name, ": add ", name, " ", delta);
        real.add(real_writer(target), key, delta);
        return wrote(target, {Mutation::Kind::add, just(full(space, key)), {}, delta});
      }
      case Verb::expire:
        return expire(step, writer(step), space, key, name);
      case Verb::get: {
        const Target target = reader(step);
        note(target.name, ": get ", name);
        const std::optional<Value> got = real.get(real_reader(target), key);
        did_read(target, just(full(space, key)));
        return compare(got, find(records(target), full(space, key)), target.name + ": " + name);
      }
      case Verb::get_record:
        return get_record(reader(step), space, key, name);
      case Verb::get_many:
        return get_many(step, reader(step), space);
      case Verb::scan:
        return scan(step, reader(step), space);
      case Verb::peek: {
        if (transactions_.empty()) return;
        OpenTransaction& transaction = transactions_[step.where % transactions_.size()];
        note("transaction ", step.where % transactions_.size(), ": peek ", name);
        return compare(real.peek(transaction.real, key), find(transaction.model.view(), full(space, key)),
                       "peek " + name);
      }
      case Verb::begin: {
        if (transactions_.size() == kTransactionsMax) return;
        const std::size_t handle = step.where % stores_.size();
        note("store ", handle, ": begin transaction ", transactions_.size());
        transactions_.push_back({stores_[handle].begin(), Transaction(store_), handle});
        const Version version = transactions_.back().real.snapshot_version();
        if (version != newest_) wrong("the transaction reads version ", version, ", the newest is ", newest_);
        return;
      }
      case Verb::commit:
        return commit(step);
      case Verb::roll_back: {
        if (transactions_.empty()) return;
        const std::size_t index = step.where % transactions_.size();
        note("roll back transaction ", index);
        transactions_.erase(transactions_.begin() + static_cast<std::ptrdiff_t>(index));
        return;
      }
      case Verb::snapshot: {
        if (snapshots_.size() == kSnapshotsMax) return;
        const std::size_t handle = step.where % stores_.size();
        note("store ", handle, ": snapshot ", snapshots_.size());
        snapshots_.push_back({stores_[handle].snapshot(), store_.now()});
        const Version version = snapshots_.back().real.version();
        if (version != newest_) wrong("the snapshot has version ", version, ", the newest is ", newest_);
        return;
      }
      case Verb::drop_snapshot: {
        if (snapshots_.empty()) return;
        const std::size_t index = step.where % snapshots_.size();
        note("drop snapshot ", index);
        snapshots_.erase(snapshots_.begin() + static_cast<std::ptrdiff_t>(index));
        return;
      }
      case Verb::transact:
        return transact(step, space, key, name);
      case Verb::spaces: {
        std::vector<std::string> expected;
        for (std::uint32_t i = 0; i < kSpaces; ++i) {
          const auto first = store_.now().lower_bound(full(i, ""));
          if (first != store_.now().end() && first->first[0] == static_cast<char>('0' + i)) {
            expected.push_back(spaces_[i].name());
          }
        }
        note("spaces");
        if (stores_[step.where % stores_.size()].spaces() != expected) wrong("spaces() is not what holds anything");
        return;
      }
      case Verb::settle:
        note("store ", step.where % stores_.size(), ": settle");
        return stores_[step.where % stores_.size()].settle();
      case Verb::check: {
        note("check");
        const CheckReport report = stores_[step.where % stores_.size()].check();
        if (!report.clean()) {
          wrong("check() healed ", report.healed, " and found: ", report.damage.empty() ? "nothing" : report.damage[0]);
        }
        return;
      }
      case Verb::reopen:
        if (scenario_.in_memory) return;
        note("close and open");
        transactions_.clear();
        snapshots_.clear();
        stores_.clear();
        open();
        if (stores_[0].version() != newest_) wrong("opened at ", stores_[0].version(), ", closed at ", newest_);
        return;
    }
  }

  void put(const Step& step, const Target& target, std::uint32_t space, const std::string& key,
           const std::string& name) {
    Mutation mutation{Mutation::Kind::put, just(full(space, key)), {}, 0};
    mutation.cell.value = make_value(step.amount, step.bytes);
    PutOptions options;
    if (step.verb == Verb::put_ttl) options.ttl = std::chrono::hours(1);
    if (step.verb == Verb::put_brief) options.ttl = kBrief;
    note(target.name, ": put ", name, " ", shown(mutation.cell.value),
         options.ttl ? (*options.ttl == kBrief ? ", for 1 µs" : ", for 1 h") : "");
    const std::int64_t before = wall_micros();
    spaces_[space].put(real_writer(target), key, mutation.cell.value, options);
    set_expiry(mutation.cell, options.ttl, before);
    wrote(target, mutation);
  }
  static void set_expiry(Cell& cell, std::optional<std::chrono::microseconds> ttl, std::int64_t before) {
    cell.expires_low = ttl ? before + ttl->count() : 0;
    cell.expires_high = ttl ? wall_micros() + ttl->count() : 0;
    cell.brief = ttl && *ttl == kBrief;
  }

  void expire(const Step& step, const Target& target, std::uint32_t space, const std::string& key,
              const std::string& name) {
    std::optional<std::chrono::microseconds> ttl;
    if (step.range % 3 == 1) ttl = std::chrono::hours(2);
    if (step.range % 3 == 2) ttl = kBrief;
    note(target.name, ": expire ", name, !ttl ? " never" : *ttl == kBrief ? " in 1 µs" : " in 2 h");
    const Cell* cell = find(records(target), full(space, key));
    const std::int64_t before = wall_micros();
    const bool was_there = spaces_[space].expire(real_writer(target), key, ttl);
    if (was_there != (cell != nullptr)) wrong("expire said that ", name, was_there ? " is" : " is not", " there");
    did_read(target, just(full(space, key)));
    if (cell == nullptr) return;
    Mutation mutation{Mutation::Kind::put, just(full(space, key)), *cell, 0};
    set_expiry(mutation.cell, ttl, before);
    wrote(target, mutation);
  }

  void did_read(const Target& target, const Stretch& where) {
    if (target.transaction != nullptr) target.transaction->model.read(where);
  }

  void get_record(const Target& target, std::uint32_t space, const std::string& key, const std::string& name) {
    note(target.name, ": get_record ", name);
    const std::optional<Record> got = spaces_[space].get_record(real_reader(target), key);
    did_read(target, just(full(space, key)));
    const Cell* cell = find(records(target), full(space, key));
    const std::string what = target.name + ": " + name;
    if (got.has_value() != (cell != nullptr)) wrong(what, got ? " is there" : " is absent", ", wrongly");
    if (!got) return;
    if (got->value.view() != cell->value) wrong(what, " is ", shown(got->value), ", not ", shown(cell->value));
    if (got->version != cell->version) wrong(what, " has version ", got->version, ", not ", cell->version);
    check_expiry(*cell, got->expires_micros, what);
  }

  void get_many(const Step& step, const Target& target, std::uint32_t space) {
    std::vector<std::string> keys;
    for (std::uint32_t i = 0; i < 1 + step.amount % 20; ++i) keys.push_back(make_key(step.key + i * (1 + step.key2)));
    note(target.name, ": get_many of ", keys.size(), " keys of ", spaces_[space].name());
    const std::vector<std::optional<Value>> got = spaces_[space].get_many(real_reader(target), keys);
    if (got.size() != keys.size()) wrong("get_many gave ", got.size(), " values for ", keys.size(), " keys");
    for (std::size_t i = 0; i < keys.size(); ++i) {
      did_read(target, just(full(space, keys[i])));
      compare(got[i], find(records(target), full(space, keys[i])), target.name + ": get_many " + shown(keys[i]));
    }
  }

  void scan(const Step& step, const Target& target, std::uint32_t space) {
    const Range range = real_range(step);
    const Stretch whole = stretch(space, range);
    ScanOptions options;
    options.reverse = step.amount % 2 == 1;
    if (step.amount % 3 == 1) options.limit = step.amount / 7 % 9;
    options.peek = target.transaction != nullptr && step.amount % 5 == 4;
    // Some are left before their end.
    const std::size_t stop_after = step.amount % 4 == 3 ? step.amount / 11 % 6 : static_cast<std::size_t>(-1);
    note(target.name, ": scan ", spaces_[space].name(), " ", shown(range.begin), " … ",
         range.end ? shown(*range.end) : "end", options.reverse ? " reverse" : "",
         options.limit < 100 ? " limit " + std::to_string(options.limit) : "",
         stop_after < 100 ? " stop after " + std::to_string(stop_after) : "", options.peek ? " peek" : "");

    std::vector<const Records::value_type*> expected;
    const Records& from = records(target);
    if (whole.begin < whole.end) {
      for (auto cell = from.lower_bound(whole.begin); cell != from.end() && cell->first < whole.end; ++cell) {
        expected.push_back(&*cell);
      }
    }
    if (options.reverse) std::reverse(expected.begin(), expected.end());
    if (expected.size() > options.limit) expected.resize(options.limit);

    Scan real = spaces_[space].scan(real_reader(target), range, options);
    std::size_t count = 0;
    bool ended = false;
    Stretch seen = whole;  // what was passed over
    if (stop_after == 0) seen.end = seen.begin;
    while (count < stop_after) {
      if (!real.next()) {
        ended = true;
        break;
      }
      const std::string what = target.name + ": scan, record " + std::to_string(count);
      if (count == expected.size()) wrong(what, " is ", shown(real.key()), ", but there is none");
      const auto& [key, cell] = *expected[count];
      if (real.key() != std::string_view(key).substr(1)) wrong(what, " is ", shown(real.key()), ", not ", shown(key));
      if (real.value() != cell.value) wrong(what, " has ", shown(real.value()), ", not ", shown(cell.value));
      if (real.version() != cell.version) wrong(what, " has version ", real.version(), ", not ", cell.version);
      check_expiry(cell, real.expires_micros(), what);
      ++count;
      if (options.reverse) {
        seen.begin = key;
      } else {
        seen.end = key + '\0';
      }
    }
    if (ended && count != expected.size()) wrong("the scan ended after ", count, " of ", expected.size(), " records");
    if (ended && count < options.limit) seen = whole;
    if (options.limit == 0) seen.end = seen.begin;
    if (!options.peek && seen.begin < seen.end) did_read(target, seen);
  }

  void commit(const Step& step) {
    if (transactions_.empty()) return;
    const std::size_t index = step.where % transactions_.size();
    OpenTransaction open = std::move(transactions_[index]);
    transactions_.erase(transactions_.begin() + static_cast<std::ptrdiff_t>(index));
    const Version before = open.real.snapshot_version();
    const std::optional<Version> version = open.real.commit();
    note("commit transaction ", index, version ? ": version " + std::to_string(*version) : ": lost");
    if (version && open.model.must_lose(store_)) wrong("the transaction won although what it read has changed");
    if (!version && open.model.must_win(store_)) wrong("the transaction lost although nobody touched what it read");
    if (!version) return;
    if (open.model.mutations().empty()) {
      if (*version != before) wrong("a transaction without writes got version ", *version, ", not ", before);
      return;
    }
    committed(open.model.mutations(), *version);
  }

  // Read, change, write back: with nobody else, once is enough.
  void transact(const Step& step, std::uint32_t space, const std::string& key, const std::string& name) {
    const std::size_t handle = step.where % stores_.size();
    const Cell* before = find(store_.now(), full(space, key));
    const std::string suffix = make_value(step.amount, step.bytes % 20);
    note("store ", handle, ": transact, ", name, " += ", shown(suffix));
    int runs = 0;
    const std::size_t bytes = stores_[handle].transact([&](ingot::Transaction& tx) {
      ++runs;
      const std::optional<Value> old = spaces_[space].get(tx, key);
      compare(old, before, "transact: " + name);
      const std::string value = (old ? old->str().substr(0, 200) : std::string()) + suffix;
      spaces_[space].put(tx, key, value);
      compare(spaces_[space].get(tx, key), nullptr_or(value), "transact: own " + name);
      return value.size();
    });
    if (runs != 1) wrong("transact ran ", runs, " times although nobody else was there");
    Mutation mutation{Mutation::Kind::put, just(full(space, key)), {}, 0};
    mutation.cell.value = (before != nullptr ? before->value.substr(0, 200) : std::string()) + suffix;
    if (bytes != mutation.cell.value.size()) wrong("transact returned ", bytes);
    committed({mutation}, stores_[handle].version());
  }
  const Cell* nullptr_or(const std::string& value) {
    scratch_.value = value;
    return &scratch_;
  }

  void compare_all() {
    for (std::size_t handle = 0; handle < stores_.size(); ++handle) {
      for (std::uint32_t space = 0; space < kSpaces; ++space) {
        for (const std::uint32_t amount : {2U, 5U}) {  // forward and reverse; the whole range, without a limit
          Step step;
          step.amount = amount;
          Target target;
          target.handle = handle;
          target.name = "at the end, store " + std::to_string(handle);
          scan(step, target, space);
        }
      }
    }
  }

  const Scenario& scenario_;
  std::vector<std::string>* trace_;
  testing::TemporaryDirectory directory_;
  std::vector<Space> spaces_;
  std::vector<ingot::Store> stores_;
  std::vector<OpenSnapshot> snapshots_;
  std::vector<OpenTransaction> transactions_;
  Store store_;
  Version newest_ = 0;
  Cell scratch_;
};

}  // namespace

std::string run(const Scenario& scenario, std::vector<std::string>* trace) {
  try {
    Runner(scenario, trace).run();
  } catch (const Wrong& wrong) {
    return wrong.what();
  } catch (const Error& error) {
    return std::string(name(error.code())) + ": " + error.what();
  }
  return {};
}

}  // namespace ingot::model
