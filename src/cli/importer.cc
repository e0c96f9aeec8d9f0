// Puts batches of records into a store, each in one transaction with the row that says how far the import has come.
#include "cli/importer.h"

#include <chrono>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cli/arguments.h"

namespace ingot::cli {
namespace {

constexpr TransactOptions kUnsynced{.durability = Durability::process};

std::int64_t now_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void put_group(Transaction& tx, const Space& space, std::span<const ImportRecord> records, ImportTotals& totals) {
  std::vector<std::string> keys;
  keys.reserve(records.size());
  for (const ImportRecord& record : records) keys.push_back(record.key);
  const auto before = space.get_many(tx, keys);
  const std::int64_t now = now_micros();
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < records.size(); ++i) {
    PutOptions options;
    if (records[i].expires_micros != 0) {
      if (records[i].expires_micros <= now) {
        ++totals.expired;
        continue;
      }
      options.expires_micros = records[i].expires_micros;
    }
    const bool first = seen.insert(keys[i]).second;
    if (before[i] || !first) ++totals.replaced;
    ++totals.records;
    space.put(tx, records[i].key, records[i].value, options);
  }
}

}  // namespace

Importer::Importer(Store& store, const ImportPlan& plan, const std::optional<ImportRow>& earlier)
    : store_(store), plan_(plan), row_(earlier.value_or(ImportRow{})) {
  if (!plan_.source) return;
  key_ = row_key(*plan_.source, plan_.manner);
  row_.source = *plan_.source;
  row_.manner = plan_.manner;
  text_ = row_text(row_);
  store_.transact([&](Transaction& tx) { progress_.put(tx, *key_, text_, {.ttl = kImportRowTtl}); }, kUnsynced);
}

void Importer::commit(const ImportBatch& batch) {
  ImportRow next;
  std::string text;
  store_.transact(
      [&](Transaction& tx) {
        const ImportTotals added = put_records(tx, batch);
        next = row_;
        next.offset = batch.offset;
        next.line = batch.line;
        next.totals.records += added.records;
        next.totals.replaced += added.replaced;
        next.totals.expired += added.expired;
        next.totals.bad += batch.bad.size() - batch.bad_ahead;
        next.totals.bytes = batch.offset;
        text = row_text(next);
        if (key_) write_row(tx, text, batch.then);
      },
      kUnsynced);
  next.totals.bad += batch.bad_ahead;  // told, but not in the row: whoever goes on counts them
  row_ = std::move(next);
  text_ = std::move(text);
}

void Importer::write_row(Transaction& tx, const std::string& text, ImportBatch::Then then) const {
  const auto found = progress_.get(tx, *key_);
  if (!found || !(*found == std::string_view(text_))) {
    throw UsageError(
        "Another run of this import is at work in the same store. This one has stopped; that one goes on.");
  }
  if (then == ImportBatch::Then::end) {
    progress_.erase(tx, *key_);
  } else {
    progress_.put(tx, *key_, text, {.ttl = kImportRowTtl});
  }
}

// Records of one space after each other are looked up together.
ImportTotals Importer::put_records(Transaction& tx, const ImportBatch& batch) const {
  ImportTotals added;
  const std::span<const ImportRecord> records(batch.records);
  for (std::size_t begin = 0; begin < records.size();) {
    std::size_t end = begin + 1;
    while (end < records.size() && records[end].space == records[begin].space) ++end;
    const bool named = plan_.manner.space.empty() && records[begin].space.has_value();
    put_group(tx, Space(named ? *records[begin].space : plan_.manner.space), records.subspan(begin, end - begin),
              added);
    begin = end;
  }
  return added;
}

}  // namespace ingot::cli
