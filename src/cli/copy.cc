// copy, check: the verbs that read every byte.
#include <mutex>
#include <utility>

#include "cli/end_after_signal.h"
#include "cli/json.h"
#include "cli/text.h"
#include "cli/verb.h"

namespace ingot::cli {

namespace {

struct Interrupted {};

// "812 MiB of 934 MiB"
std::string part_text(std::uint64_t part, std::uint64_t whole) {
  return bytes_text(part) + " of " + bytes_text(whole);
}

// How far a copy is, as people are told. Any thread.
class CopyReport {
 public:
  void note(const CopyProgress& copied) {
    const std::lock_guard lock(mutex_);
    last_ = copied;
    // What is there is verified first; what goes beyond it is copied now.
    const bool verifying = copied.bytes_found == copied.bytes_done;
    const bool whole = copied.bytes_done == copied.bytes_total;
    if (copied.bytes_found > 0 && (!verifying || whole) && !std::exchange(told_, true)) {
      progress_.clear();
      say("It goes on with a copy that was interrupted: " + part_text(copied.bytes_found, copied.bytes_total) +
          " are there.");
    }
    if (progress_.due()) {
      progress_.show((verifying && copied.bytes_found > 0 ? "verifying what is there  " : "copying  ") +
                     share_text(copied.bytes_done, copied.bytes_total));
    }
  }
  void say_interrupted() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true)) return;
    progress_.clear();
    say("Interrupted" +
        (last_.bytes_total == 0 ? std::string()
                                : ": " + part_text(last_.bytes_done, last_.bytes_total) + " are there") +
        ". The same command goes on with it.");
  }
  CopyProgress end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    progress_.clear();
    return last_;
  }

 private:
  std::mutex mutex_;
  Progress progress_;
  CopyProgress last_;
  bool told_ = false;   // that it goes on
  bool ended_ = false;  // how is told, or need not be
};

}  // namespace

Exit run_copy(Context& context) {
  const bool both = context.argument_count() == 2;
  if (both && context.arguments.has("store") && *context.arguments.value("store") != context.argument(0)) {
    throw UsageError("Copy from where? Give either -s STORE and TO, or FROM and TO.");
  }
  const std::string from = both ? context.argument(0) : context.where();
  const std::string& to = context.argument(both ? 1 : 0);
  Store opened = open_store(from, context.arguments.has("salvage") ? Access::salvage : Access::read);
  note_signals();
  CopyReport report;
  const EndAfterSignal end([&report] { report.say_interrupted(); });
  const Store store = std::move(opened);  // its end may wait, too
  try {
    store.copy(to, [&](const CopyProgress& copied) {
      report.note(copied);
      if (signal_received()) throw Interrupted{};
    });
  } catch (const Interrupted&) {
    report.say_interrupted();
    return Exit::interrupted;
  }
  const CopyProgress last = report.end();
  if (context.json) {
    context.output.line(JsonObject()
                            .add("from", from)
                            .add("to", to)
                            .add("bytes", last.bytes_done)
                            .add("found", last.bytes_found)
                            .finish());
  } else {
    say("Copied " + from + " to " + to + ", " + bytes_text(last.bytes_done) + ", verified.");
  }
  return salvaged(context, store, Exit::done);
}

namespace {

// Healing writes; on media that can't be written, what is there can still be verified; and so can what is left of a
// store that can't be opened.
Store open_to_check(const std::string& where, bool& writable) {
  writable = false;
  try {
    Store store = open_store(where, Access::write);
    writable = true;
    return store;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::corrupt) {
      say(error.what());
      return open_store(where, Access::salvage);
    }
    if (error.code() != ErrorCode::read_only) throw;
  }
  say("The store can't be written here: damage is found, but not healed on the disk.");
  return open_store(where, Access::read);
}

// What is damaged beyond healing can't be rewritten; the report says so.
void settle(Store& store) {
  try {
    store.settle();
  } catch (const std::exception& error) {
    say(error.what());
  }
}

}  // namespace

Exit run_check(Context& context) {
  bool writable = false;
  Store store = open_to_check(context.where(), writable);
  Progress progress;
  const CheckReport report = store.check([&](const CopyProgress& checked) {
    if (progress.due()) progress.show("checking  " + share_text(checked.bytes_done, checked.bytes_total));
  });
  // What was rebuilt is right in memory, and is written anew in the background: a process that ends waits for that.
  if (report.healed > 0 && writable) settle(store);
  progress.clear();
  if (context.json) {
    context.output.line(JsonObject()
                            .add("clean", report.clean())
                            .add("files", report.files)
                            .add("bytes", report.bytes)
                            .add("records", report.records)
                            .add("log_entries", report.log_entries)
                            .add("healed", report.healed)
                            .add("healed_places", report.healed_places)
                            .add("damage", report.damage)
                            .finish());
  } else {
    context.output.line(std::string(report.clean() ? "clean" : "not clean") + ": " + counted(report.files, "file") +
                        ", " + bytes_text(report.bytes) + ", " + counted(report.records, "record") + " in runs, " +
                        count_text(report.log_entries) + " in the log");
    for (const std::string& sentence : report.healed_places) context.output.line("healed: " + escaped(sentence));
    for (const std::string& sentence : report.damage) context.output.line("damaged: " + escaped(sentence));
  }
  return report.clean() ? Exit::done : Exit::not_found;
}

}  // namespace ingot::cli
