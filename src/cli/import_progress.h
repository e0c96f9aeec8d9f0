// How far an import has come: a row of the store, written in the transactions that carry the records, so that it is
// never ahead of them or behind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/import_parser.h"
#include "ingot/ingot.h"

namespace ingot::cli {

/// Where rows of imports that are not finished are. They expire a month after their last batch.
inline constexpr std::string_view kImportSpace = "ingot.import";
inline constexpr std::chrono::hours kImportRowTtl{24 * 30};

/// What makes a file the one that an earlier run was reading.
struct SourceIdentity {
  std::string path;  ///< absolute
  std::uint64_t bytes = 0;
  std::int64_t modified_nanoseconds = 0;
  std::uint64_t file = 0;    ///< inode
  std::uint64_t begins = 0;  ///< a hash of its first bytes
  friend bool operator==(const SourceIdentity&, const SourceIdentity&) = default;
};

/// How the records are read: another way is another import.
struct ImportManner {
  std::string space;  ///< "" if the file says it
  ImportFormat format = ImportFormat::jsonl;
  KeyFields key;
  friend bool operator==(const ImportManner&, const ImportManner&) = default;
};

struct ImportTotals {
  std::uint64_t records = 0;   ///< put, replaced ones included
  std::uint64_t replaced = 0;  ///< of those: the key was there already
  std::uint64_t bad = 0;
  std::uint64_t expired = 0;  ///< of an export: over before they were read
  std::uint64_t bytes = 0;    ///< of the file
};

struct ImportRow {
  SourceIdentity source;
  ImportManner manner;
  std::uint64_t offset = 0;  ///< where the next record begins
  std::uint64_t line = 0;    ///< the last line in front of it
  ImportTotals totals;
};

/// The identity of an open file, or nothing if it is none that can be read twice. It is left at its beginning.
std::optional<SourceIdentity> identity_of(int descriptor, const std::string& path);

/// One row for each file and space.
std::string row_key(const SourceIdentity& source, const ImportManner& manner);
std::string row_text(const ImportRow& row);
/// Nothing if `text` is no row that this release writes.
std::optional<ImportRow> read_row(std::string_view text);

}  // namespace ingot::cli
