// Puts batches of records into a store, each in one transaction with the row that says how far the import has come.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "cli/import_batches.h"
#include "cli/import_progress.h"
#include "ingot/ingot.h"

namespace ingot::cli {

struct ImportPlan {
  std::string file_name;  ///< for messages
  ImportManner manner;
  std::optional<SourceIdentity> source;  ///< nothing: a pipe, which can't be read twice
};

/// One import at work. One thread. Of two runs of one import, the one that commits second notices, and stops.
class Importer {
 public:
  /// Takes the row over from whoever had it. `earlier`: where to go on.
  Importer(Store& store, const ImportPlan& plan, const std::optional<ImportRow>& earlier);

  /// Commits the batch with Durability::process. With its last batch a finished import's row goes.
  ///   throws UsageError: another run of this import is at work
  void commit(const ImportBatch& batch);

  [[nodiscard]] const ImportTotals& totals() const { return row_.totals; }

 private:
  void write_row(Transaction& tx, const std::string& text, ImportBatch::Then then) const;
  [[nodiscard]] ImportTotals put_records(Transaction& tx, const ImportBatch& batch) const;

  Store& store_;
  const ImportPlan& plan_;
  const Space progress_{kImportSpace};
  std::optional<std::string> key_;  // of the row; nothing: none is kept
  ImportRow row_;
  std::string text_;  // the row as it stands in the store
};

}  // namespace ingot::cli
