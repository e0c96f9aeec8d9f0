// export: every record as a line of JSON that import reads back exactly.
#include <algorithm>

#include "cli/bytes_argument.h"
#include "cli/text.h"
#include "cli/verb.h"

namespace ingot::cli {
namespace {

// Names are listed before and after the snapshot is taken, so that a space which comes or goes meanwhile is not left
// out; one that the snapshot does not know is empty in it.
std::vector<std::string> union_of(std::vector<std::string> names, const std::vector<std::string>& more) {
  names.insert(names.end(), more.begin(), more.end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

Exit run_export(Context& context) {
  std::vector<std::string> names = context.arguments_after(0);
  for (const std::string& name : names) static_cast<void>(space_argument(name));
  const Store store = open_store(context.where(), context.arguments.has("salvage") ? Access::salvage : Access::read);
  const std::vector<std::string> before = store.spaces();
  const Snapshot snapshot = store.snapshot();
  if (names.empty()) names = union_of(before, store.spaces());

  Progress progress;
  std::uint64_t records = 0;
  Exit status = Exit::done;
  for (const std::string& name : names) {
    std::uint64_t found = 0;
    Scan scan = Space(name).scan(snapshot);
    for (; scan.next(); ++found) {
      JsonObject object;
      object.add_bytes_shorter("space", name);
      object.add_bytes_shorter("key", scan.key());
      object.add_bytes_shorter("value", scan.value());
      if (scan.expires_micros() != 0) object.add("expires", time_text(scan.expires_micros()));
      context.output.line(object.finish());
      if (progress.due()) progress.show("exporting  " + counted(records + found, "record"));
    }
    records += found;
    if (found == 0 && context.argument_count() > 0) {
      say("There is no space \"" + shown(name) + "\", or nothing in it.");
      status = Exit::not_found;
    }
  }
  return salvaged(context, store, status);
}

}  // namespace ingot::cli
