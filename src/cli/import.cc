// import: records of a file into a space, in batches, going on where an earlier run was stopped.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "cli/bytes_argument.h"
#include "cli/end_after_signal.h"
#include "cli/import_batches.h"
#include "cli/importer.h"
#include "cli/text.h"
#include "cli/verb.h"

namespace ingot::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kBadLinesNamed = 1000;  // the rest are counted: whoever reads that many knows

class InputFile {
 public:
  explicit InputFile(const std::string& path)
      : number_(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (number_ < 0) throw UsageError(shown(path) + " can't be read: " + std::strerror(errno) + '.');
  }
  ~InputFile() {
    if (number_ > STDERR_FILENO) ::close(number_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

KeyFields key_option(const Context& context) {
  const auto text = context.arguments.value("key");
  if (!text) return {};
  KeyFields fields;
  for (std::size_t at = 0; at <= text->size();) {
    const std::size_t end = std::min(text->find(',', at), text->size());
    fields.push_back(text->substr(at, end - at));
    if (fields.back().empty())
      throw UsageError("--key names fields, separated by commas: " + shown(*text) + " has an empty name.");
    at = end + 1;
  }
  return fields;
}

ImportFormat format_option(const Context& context, const std::string& file_name, LineReader& reader) {
  const auto text = context.arguments.value("format");
  if (!text) return detect_format(file_name, reader.peek(LineReader::kPeekBytesMax));
  const auto format = format_named(*text);
  if (!format)
    throw UsageError("There is no format " + shown(*text) + "." +
                     did_you_mean(*text, {"jsonl", "csv", "tsv", "control", "export"}) +
                     " The formats are jsonl, csv, tsv, control and export.");
  return *format;
}

// What an earlier run of this import left, if it can be gone on with.
std::optional<ImportRow> earlier_run(const Store& store, const ImportPlan& plan, bool restart) {
  if (!plan.source || restart) return std::nullopt;
  const auto value = Space(kImportSpace).get(store, row_key(*plan.source, plan.manner));
  if (!value) return std::nullopt;
  auto row = read_row(*value);
  if (row && row->source == *plan.source && row->manner == plan.manner && row->offset <= plan.source->bytes) return row;
  say(plan.file_name +
      " is another file, or read in another way, than when an import of it was stopped: beginning at its beginning.");
  return std::nullopt;
}

void name_bad_lines(const ImportPlan& plan, const ImportBatch& batch, std::uint64_t named_before) {
  std::uint64_t named = named_before;
  for (const BadLine& bad : batch.bad) {
    if (++named > kBadLinesNamed + 1) return;
    if (named == kBadLinesNamed + 1) {
      say("More bad lines follow; they are counted, but not named.");
      return;
    }
    say(plan.file_name + ":" + std::to_string(bad.line) + ": " + bad.reason);
  }
}

void print_summary(Context& context, const ImportTotals& totals, double seconds) {
  if (context.json) {
    context.output.line(JsonObject()
                            .add("records", totals.records)
                            .add("replaced", totals.replaced)
                            .add("bad", totals.bad)
                            .add("expired", totals.expired)
                            .add("bytes", totals.bytes)
                            .add("seconds", seconds)
                            .finish());
    return;
  }
  std::string text = "Imported " + counted(totals.records, "record") + " from " + bytes_text(totals.bytes) + " in " +
                     seconds_text(seconds);
  if (totals.replaced > 0) text += "; " + count_text(totals.replaced) + " replaced one with the same key";
  if (totals.expired > 0) text += "; " + count_text(totals.expired) + " had expired and were left out";
  if (totals.bad > 0) text += "; " + counted(totals.bad, "bad line") + " left out";
  say(text + '.');
}

// Commits what the reader's thread has ready, until the file ends or the reader stops.
ImportBatch::Then import_batches(Context& context, const ImportPlan& plan, ImportParser& parser, LineReader& reader,
                                 Importer& importer) {
  Progress progress;
  BatchReader batches(parser, reader, context.arguments.has("strict") ? BadLines::stop : BadLines::pass_over);
  for (;;) {
    const ImportBatch batch = batches.take();
    if (!batch.bad.empty()) {
      progress.clear();
      name_bad_lines(plan, batch, importer.totals().bad);
    }
    importer.commit(batch);
    if (batch.then != ImportBatch::Then::more) return batch.then;
    if (progress.due()) {
      progress.show("importing  " + counted(importer.totals().records, "record") + "  " +
                    share_text(importer.totals().bytes, plan.source ? plan.source->bytes : 0));
    }
  }
}

}  // namespace

Exit run_import(Context& context) {
  const auto begun = Clock::now();
  const bool space_given = context.argument_count() == 2;
  const std::string& path = context.argument(space_given ? 1 : 0);
  ImportPlan plan;
  plan.file_name = path == "-" ? "stdin" : shown(path, 1000);
  if (space_given) plan.manner.space = space_argument(context.argument(0)).name();
  plan.manner.key = key_option(context);
  const std::string where = context.where();

  note_signals();
  const InputFile file(path);
  if (path != "-") plan.source = identity_of(file.number(), path);
  DescriptorSource source(file.number(), signal_descriptor());
  LineReader reader(source, kExportLineBytesMax);
  plan.manner.format = format_option(context, plan.file_name, reader);
  reader.limit_lines(line_bytes_max(plan.manner.format));
  if (!space_given && plan.manner.format != ImportFormat::exported) {
    throw UsageError("Into which space? ingot import SPACE " + shown(path) +
                     "   (Only an export says it itself, and this is " + name(plan.manner.format) + ".)");
  }
  const std::unique_ptr<ImportParser> parser = make_parser(plan.manner.format, reader, plan.manner.key);
  parser->start();

  std::optional<EndAfterSignal> end;
  if (where.starts_with("s3://")) {
    end.emplace([goes_on = plan.source.has_value()] {
      say(std::string("Stopped while the bucket did not answer. ") +
          (goes_on ? "The same command goes on from here." : "What it had acknowledged is in the store."));
    });
  }
  Store store = open_store(where, Access::make);
  const auto earlier = earlier_run(store, plan, context.arguments.has("restart"));
  if (earlier) {
    reader.seek(earlier->offset, earlier->line);
    say("Going on with an import that was stopped: " + counted(earlier->totals.records, "record") + " are in, " +
        bytes_text(plan.source->bytes - earlier->offset) + " of " + bytes_text(plan.source->bytes) + " are left.");
  }
  Importer importer(store, plan, earlier);
  const ImportBatch::Then then = import_batches(context, plan, *parser, reader, importer);
  store.sync();
  store.close();

  ImportTotals totals = importer.totals();
  print_summary(context, totals, std::chrono::duration<double>(Clock::now() - begun).count());
  if (then == ImportBatch::Then::end) return totals.bad > 0 ? Exit::not_found : Exit::done;
  if (!signal_received()) {
    say("Stopped at the first bad line, as --strict asks. What came before is in the store.");
    return Exit::not_found;
  }
  say(plan.source ? "Stopped. The same command goes on from here."
                  : "Stopped. What was read is in the store; stdin can't be gone on with, only begun again.");
  return Exit::interrupted;
}

}  // namespace ingot::cli
