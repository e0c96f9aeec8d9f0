// check(): the replay by versions.
#include "support/history.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace ingot::history {

namespace {

std::uint64_t counter_of(std::string_view value) {
  std::uint64_t number = 0;
  for (std::size_t i = std::min<std::size_t>(value.size(), 8); i-- > 0;) {
    number = number << 8 | static_cast<unsigned char>(value[i]);
  }
  return number;
}

std::string counter_value(std::uint64_t number) {
  std::string value;
  for (int i = 0; i < 8; ++i) value.push_back(static_cast<char>(number >> (8 * i)));
  return value;
}

// Every key with all the values that it ever had.
class Model {
 public:
  struct Entry {
    std::uint64_t version;
    std::optional<std::string> value;
  };

  void set(const std::string& key, std::uint64_t version, std::optional<std::string> value) {
    std::vector<Entry>& entries = keys_[key];
    if (!entries.empty() && entries.back().version == version) {
      entries.back().value = std::move(value);
    } else {
      entries.push_back({version, std::move(value)});
    }
  }

  void apply(const Write& write, std::uint64_t version) {
    switch (write.kind) {
      case Write::Kind::put:
        set(write.key, version, write.value);
        return;
      case Write::Kind::erase:
        set(write.key, version, std::nullopt);
        return;
      case Write::Kind::erase_range:
        for (auto key = keys_.lower_bound(write.key);
             key != keys_.end() && (write.value.empty() || key->first < write.value); ++key) {
          if (key->second.back().value.has_value()) set(key->first, version, std::nullopt);
        }
        return;
      case Write::Kind::add: {
        const Entry* base = at(write.key, version);
        const std::uint64_t before = base == nullptr || !base->value.has_value() ? 0 : counter_of(*base->value);
        set(write.key, version, counter_value(before + static_cast<std::uint64_t>(write.delta)));
        return;
      }
    }
  }

  // The newest entry of `key` with a version <= `version`, or null.
  [[nodiscard]] const Entry* at(const std::string& key, std::uint64_t version) const {
    const auto found = keys_.find(key);
    return found == keys_.end() ? nullptr : at(found->second, version);
  }
  static const Entry* at(const std::vector<Entry>& entries, std::uint64_t version) {
    const auto after =
        std::upper_bound(entries.begin(), entries.end(), version,
                         [](std::uint64_t wanted, const Entry& entry) { return wanted < entry.version; });
    return after == entries.begin() ? nullptr : &after[-1];
  }
  [[nodiscard]] const std::map<std::string, std::vector<Entry>>& keys() const { return keys_; }

 private:
  std::map<std::string, std::vector<Entry>> keys_;
};

std::string who(const Transaction& transaction) {
  return "transaction " + std::to_string(transaction.id) + " of process " + std::to_string(transaction.process) +
         " (snapshot " + std::to_string(transaction.snapshot) +
         (transaction.version != 0 ? ", version " + std::to_string(transaction.version) : std::string()) + ")";
}

class Checker {
 public:
  Checker(const std::vector<Transaction>& history, const std::optional<FinalState>& final_state,
          const CheckOptions& options)
      : history_(history), final_(final_state), options_(options) {}

  std::vector<Violation> run() {
    for (const auto& [key, value] : options_.initial) model_.set(key, options_.initial_version, value);
    if (!look_at_all()) return std::move(violations_);
    decide_presence();
    if (!order_by_version()) return std::move(violations_);
    for (const auto& [version, transaction] : present_) {
      for (const Write& write : transaction->writes) model_.apply(write, version);
    }
    for (const Transaction& transaction : history_) check_reads(transaction);
    check_real_time();
    check_final_state();
    return std::move(violations_);
  }

 private:
  using Kind = Violation::Kind;

  void report(Kind kind, std::string text) {
    if (violations_.size() < kViolationsMax) violations_.push_back({kind, std::move(text)});
  }

  bool look_at_all() {
    std::unordered_set<std::uint64_t> ids;
    for (const Transaction& transaction : history_) {
      if (transaction.id == 0 || !ids.insert(transaction.id).second) {
        report(Kind::malformed, who(transaction) + ": the id is 0 or not unique");
        return false;
      }
      if (transaction.returned < transaction.invoked) {
        report(Kind::malformed, who(transaction) + ": returned before it was invoked");
        return false;
      }
      if (transaction.outcome == Outcome::unknown && !transaction.writes.empty() &&
          (!final_.has_value() || transaction.marker.empty())) {
        report(Kind::malformed, who(transaction) +
                                    ": its outcome is unknown, and without a marker and the final "
                                    "state nothing tells it");
        return false;
      }
    }
    return true;
  }

  // Which of those that wrote are there, and at which version.
  void decide_presence() {
    for (const Transaction& transaction : history_) {
      if (transaction.writes.empty()) continue;
      const FinalRecord* marker = nullptr;
      if (final_.has_value() && !transaction.marker.empty()) {
        const auto found = final_->records.find(transaction.marker);
        if (found != final_->records.end()) marker = &found->second;
      }
      switch (transaction.outcome) {
        case Outcome::committed:
          if (final_.has_value() && !transaction.marker.empty() && marker == nullptr) {
            report(Kind::missing, who(transaction) + " was acknowledged, and its marker is not there");
          } else if (marker != nullptr && marker->version != 0 && marker->version != transaction.version) {
            report(Kind::version,
                   who(transaction) + ": its marker was written at version " + std::to_string(marker->version));
          }
          place(transaction, transaction.version);
          break;
        case Outcome::lost:
          if (marker != nullptr) report(Kind::resurrected, who(transaction) + " was refused, and its marker is there");
          break;
        case Outcome::unknown:
          if (marker == nullptr) break;
          if (marker->version == 0) {
            report(Kind::malformed,
                   who(transaction) + ": unknown, and there, but the final state has no version of it");
          } else {
            place(transaction, marker->version);
          }
          break;
      }
    }
  }

  void place(const Transaction& transaction, std::uint64_t version) {
    if (version <= options_.initial_version) {
      report(Kind::version, who(transaction) + " wrote, and its version " + std::to_string(version) + " is not new");
      return;
    }
    if (version <= transaction.snapshot) {
      report(Kind::version, who(transaction) + ": the version is not above the snapshot");
    }
    const auto [other, added] = present_.emplace(version, &transaction);
    if (!added) {
      report(Kind::version, who(transaction) + " and " + who(*other->second) + " have the same version");
    }
  }

  bool order_by_version() {
    if (!options_.dense) return true;
    std::uint64_t expected = options_.initial_version + 1;
    for (const auto& [version, transaction] : present_) {
      if (version != expected) {
        report(Kind::version, "no transaction has version " + std::to_string(expected) + "; the next is " +
                                  who(*transaction) + " at " + std::to_string(version));
        return false;
      }
      ++expected;
    }
    if (final_.has_value() && final_->version != 0 && final_->version + 1 != expected) {
      report(Kind::version, "the store is at version " + std::to_string(final_->version) +
                                ", the last transaction at " + std::to_string(expected - 1));
    }
    return true;
  }

  // 0: not there.
  [[nodiscard]] std::uint64_t version_of(const Transaction& transaction) const {
    if (transaction.writes.empty()) return 0;
    if (transaction.outcome == Outcome::committed) return transaction.version;
    if (transaction.outcome == Outcome::lost) return 0;
    const auto marker = final_->records.find(transaction.marker);
    return marker == final_->records.end() ? 0 : marker->second.version;
  }

  void check_reads(const Transaction& transaction) {
    const std::uint64_t version = version_of(transaction);
    // Losers have read, too, and may have acted on it: their snapshots are held to the same.
    for (const PointRead& read : transaction.reads) {
      compare(transaction, read, transaction.snapshot, Kind::read);
      if (version != 0 && read.validated && !same(read, version - 1) && same(read, transaction.snapshot)) {
        compare(transaction, read, version - 1, Kind::conflict);
      }
    }
    for (const RangeRead& range : transaction.ranges) {
      const bool good = compare(transaction, range, transaction.snapshot, Kind::read);
      if (good && version != 0 && range.validated) compare(transaction, range, version - 1, Kind::conflict);
    }
  }

  [[nodiscard]] bool same(const PointRead& read, std::uint64_t version) const {
    const Model::Entry* entry = model_.at(read.key, version);
    const bool there = entry != nullptr && entry->value.has_value();
    return there == read.value.has_value() && (!there || digest(*entry->value) == *read.value);
  }

  void compare(const Transaction& transaction, const PointRead& read, std::uint64_t version, Kind kind) {
    if (same(read, version)) return;
    const Model::Entry* entry = model_.at(read.key, version);
    const bool there = entry != nullptr && entry->value.has_value();
    std::string text = who(transaction) + " read " + printable(read.key) + " as " +
                       (read.value.has_value() ? "present" : "absent") + "; at version " + std::to_string(version) +
                       " it was " + (there ? printable(*entry->value) : std::string("absent"));
    if (entry != nullptr) text += ", written by version " + std::to_string(entry->version);
    if (read.value.has_value()) text += origin(read.key, *read.value);
    report(kind, std::move(text));
  }

  // Where a value that was read comes from, for the explanation.
  [[nodiscard]] std::string origin(const std::string& key, std::uint64_t value) const {
    const auto found = model_.keys().find(key);
    if (found == model_.keys().end()) return " (nobody wrote this key)";
    for (const Model::Entry& entry : found->second) {
      if (entry.value.has_value() && digest(*entry.value) == value) {
        return " (what was read is of version " + std::to_string(entry.version) + ")";
      }
    }
    return " (nobody in the history wrote what was read)";
  }

  // Reports the first difference. Returns whether there was none.
  bool compare(const Transaction& transaction, const RangeRead& range, std::uint64_t version, Kind kind) {
    std::size_t index = 0;
    const auto differs = [&](const std::string& what) {
      report(kind, who(transaction) + " read the range [" + printable(range.begin) + ", " + printable(range.end) +
                       "); at version " + std::to_string(version) + " " + what);
      return false;
    };
    for (auto key = model_.keys().lower_bound(range.begin);
         key != model_.keys().end() && (range.end.empty() || key->first < range.end); ++key) {
      const Model::Entry* entry = Model::at(key->second, version);
      if (entry == nullptr || !entry->value.has_value()) continue;
      if (index == range.records.size() || range.records[index].first > key->first) {
        return differs("it held " + printable(key->first) + ", written by version " + std::to_string(entry->version) +
                       ", which was not seen");
      }
      if (range.records[index].first < key->first) break;
      if (range.records[index].second != digest(*entry->value)) {
        return differs("the value of " + printable(key->first) + " was " + printable(*entry->value) +
                       ", written by version " + std::to_string(entry->version) +
                       origin(key->first, range.records[index].second));
      }
      ++index;
    }
    if (index < range.records.size()) {
      return differs("it did not hold " + printable(range.records[index].first) + ", which was seen" +
                     origin(range.records[index].first, range.records[index].second));
    }
    return true;
  }

  // Whatever had returned before a transaction began came before it.
  void check_real_time() {
    std::vector<const Transaction*> by_invocation;
    std::vector<const Transaction*> by_return;
    for (const Transaction& transaction : history_) {
      by_invocation.push_back(&transaction);
      if (transaction.outcome != Outcome::unknown && transaction.returned != kNeverReturned) {
        by_return.push_back(&transaction);
      }
    }
    std::stable_sort(by_invocation.begin(), by_invocation.end(),
                     [](const Transaction* a, const Transaction* b) { return a->invoked < b->invoked; });
    std::stable_sort(by_return.begin(), by_return.end(),
                     [](const Transaction* a, const Transaction* b) { return a->returned < b->returned; });
    std::size_t next = 0;
    struct Known {
      std::uint64_t version;
      const Transaction* witness = nullptr;
    };
    Known newest{options_.initial_version};                      // that somebody knew to be committed
    std::unordered_map<std::uint32_t, Known> newest_of_process;  // that somebody of it knew
    for (const Transaction* transaction : by_invocation) {
      for (; next < by_return.size() && by_return[next]->returned < transaction->invoked; ++next) {
        const Transaction& before = *by_return[next];
        const std::uint64_t known = std::max(version_of(before), before.snapshot);
        if (known > newest.version) newest = {known, &before};
        Known& own = newest_of_process.try_emplace(before.process, Known{options_.initial_version}).first->second;
        if (known > own.version) own = {known, &before};
      }
      const std::uint64_t version = version_of(*transaction);
      const bool only_reads = transaction->writes.empty() && transaction->outcome == Outcome::committed;
      const auto own = newest_of_process.find(transaction->process);
      const Known least = transaction->fresh               ? newest
                          : own != newest_of_process.end() ? own->second
                                                           : Known{options_.initial_version};
      if (version != 0 && version <= newest.version) {
        report(Kind::real_time,
               who(*transaction) + " began after " +
                   (newest.witness == nullptr ? std::string("the history's start") : who(*newest.witness)) +
                   " had returned, which knew of version " + std::to_string(newest.version));
      } else if (transaction->snapshot < least.version && options_.fresh_snapshots) {
        report(Kind::real_time, who(*transaction) + (only_reads ? " only reads, and" : "") +
                                    " has a snapshot older than version " + std::to_string(least.version) +
                                    ", known to " +
                                    (least.witness == nullptr ? std::string("all") : who(*least.witness)) +
                                    ", which had returned before");
      }
    }
  }

  void check_final_state() {
    if (!final_.has_value()) return;
    const std::uint64_t end = ~0ULL;
    auto record = final_->records.begin();
    for (const auto& [key, entries] : model_.keys()) {
      const Model::Entry& entry = *Model::at(entries, end);
      while (record != final_->records.end() && record->first < key) unexpected(record++->first);
      const bool there = record != final_->records.end() && record->first == key;
      if (!there) {
        if (entry.value.has_value()) {
          report(torn(entry.version) ? Kind::torn : Kind::final_state,
                 "at the end " + printable(key) + " is absent; version " + std::to_string(entry.version) + " wrote " +
                     printable(*entry.value));
        }
        continue;
      }
      if (!entry.value.has_value()) {
        report(torn(entry.version) ? Kind::torn : Kind::final_state,
               "at the end " + printable(key) + " is " + printable(record->second.value) + "; version " +
                   std::to_string(entry.version) + " erased it");
      } else if (record->second.value != *entry.value) {
        report(torn(entry.version) ? Kind::torn : Kind::final_state,
               "at the end " + printable(key) + " is " + printable(record->second.value) + "; version " +
                   std::to_string(entry.version) + " wrote " + printable(*entry.value) +
                   origin(key, digest(record->second.value)));
      } else if (record->second.version != 0 && record->second.version != entry.version) {
        report(Kind::final_state, "at the end " + printable(key) + " is said to be of version " +
                                      std::to_string(record->second.version) + ", and was written by version " +
                                      std::to_string(entry.version));
      }
      ++record;
    }
    while (record != final_->records.end()) unexpected(record++->first);
  }

  // Whether this version's transaction was of unknown outcome: then it must be there wholly.
  [[nodiscard]] bool torn(std::uint64_t version) const {
    const auto found = present_.find(version);
    return found != present_.end() && found->second->outcome == Outcome::unknown;
  }

  void unexpected(const std::string& key) {
    for (const Transaction& transaction : history_) {
      if (version_of(transaction) != 0) continue;
      for (const Write& write : transaction.writes) {
        if (write.kind == Write::Kind::put && write.key == key) {
          report(
              transaction.outcome == Outcome::lost ? Kind::resurrected : Kind::torn,
              "at the end " + printable(key) + " is there, which only " + who(transaction) + " wrote, and that is not");
          return;
        }
      }
    }
    report(Kind::final_state, "at the end " + printable(key) + " is there, and nobody wrote it");
  }

  const std::vector<Transaction>& history_;
  const std::optional<FinalState>& final_;
  const CheckOptions& options_;
  Model model_;
  std::map<std::uint64_t, const Transaction*> present_;  // that wrote, by version
  std::vector<Violation> violations_;
};

}  // namespace

std::vector<Violation> check(const std::vector<Transaction>& history, const std::optional<FinalState>& final_state,
                             const CheckOptions& options) {
  return Checker(history, final_state, options).run();
}

std::uint64_t digest(std::string_view value) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a, then mixed
  for (const char byte : value) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15ULL;
  return hash ^ hash >> 29;
}

std::string printable(std::string_view bytes) {
  constexpr std::size_t kShownMax = 48;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\"";
  for (const char byte : bytes.substr(0, kShownMax)) {
    const auto number = static_cast<unsigned char>(byte);
    if (number >= 0x20 && number < 0x7f && byte != '"' && byte != '\\') {
      text.push_back(byte);
    } else {
      text += {'\\', 'x', kDigits[number >> 4], kDigits[number & 15]};
    }
  }
  text.push_back('"');
  if (bytes.size() > kShownMax) text += "… (" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

const char* name(Violation::Kind kind) {
  switch (kind) {
    case Violation::Kind::malformed:
      return "malformed";
    case Violation::Kind::version:
      return "version";
    case Violation::Kind::read:
      return "read";
    case Violation::Kind::conflict:
      return "conflict";
    case Violation::Kind::real_time:
      return "real time";
    case Violation::Kind::missing:
      return "missing";
    case Violation::Kind::resurrected:
      return "resurrected";
    case Violation::Kind::torn:
      return "torn";
    case Violation::Kind::final_state:
      return "final state";
    case Violation::Kind::dirty_read:
      return "dirty read";
    case Violation::Kind::inconsistent_list:
      return "inconsistent list";
    case Violation::Kind::cycle:
      return "cycle";
  }
  return "?";
}

std::string explain(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& violation : violations)
    text += std::string(name(violation.kind)) + ": " + violation.text + "\n";
  return text;
}

}  // namespace ingot::history
