// apply: JSON lines of verbs, one transaction.
#include "cli/apply_lines.h"
#include "cli/bytes_argument.h"
#include "cli/text.h"

namespace ingot::cli {
namespace {

// A transaction's bytes as JSON and base64, with room for what is around them.
constexpr std::size_t kInputBytesMax = 2 * kTransactionBytesMax;

}  // namespace

Exit run_apply(Context& context) {
  const std::string path = context.argument_count() == 0 ? "-" : context.argument(0);
  const std::vector<Change> changes = read_changes(read_whole(context, path, kInputBytesMax));
  Store store = open_store(context.where(), Access::make);
  try {
    store.transact([&](Transaction& tx) { apply_changes(tx, changes); });
  } catch (const CheckFailed& failed) {
    if (context.json) context.output.line(JsonObject().add("applied", false).finish());
    context.output.flush();
    say(failed.what());
    return Exit::not_found;
  }
  store.close();
  if (context.json) {
    context.output.line(JsonObject().add("applied", true).add("lines", std::uint64_t{changes.size()}).finish());
  }
  return Exit::done;
}

}  // namespace ingot::cli
