// spaces, drop: the verbs of whole spaces.
#include "cli/bytes_argument.h"
#include "cli/text.h"
#include "cli/verb.h"

namespace ingot::cli {
namespace {

std::uint64_t count_records(const Store& store, const Space& space, std::uint64_t most) {
  std::uint64_t count = 0;
  Scan scan = space.scan(store, all(), {.limit = most});
  while (scan.next()) ++count;
  return count;
}

}  // namespace

Exit run_spaces(Context& context) {
  const Store store = open_store(context.where(), Access::read);
  const bool count = context.arguments.has("count");
  for (const std::string& name : store.spaces()) {
    const std::uint64_t records = count ? count_records(store, Space(name), UINT64_MAX) : 0;
    if (context.json) {
      JsonObject object;
      object.add_bytes("space", name);
      if (count) object.add("records", records);
      context.output.line(object.finish());
    } else {
      context.output.line(count ? escaped(name) + '\t' + std::to_string(records) : escaped(name));
    }
  }
  return Exit::done;
}

Exit run_drop(Context& context) {
  constexpr std::uint64_t kCountMax = 1'000'000;  // counting more takes longer than anyone waits for a warning
  const Space space = space_argument(context.argument(0));
  const bool sure = context.arguments.has("yes");
  const std::string where = context.where();
  Store store = open_store(where, sure ? Access::write : Access::read);
  const std::uint64_t records = count_records(store, space, sure ? 1 : kCountMax);
  const std::string name = "\"" + shown(space.name()) + "\"";
  if (records == 0) {
    say("There is no space " + name + " in " + where + ", or nothing in it.");
    return Exit::not_found;
  }
  if (!sure) {
    say("This would remove " + std::string(records == kCountMax ? "more than " : "") + counted(records, "record") +
        ", all of space " + name + " in " + where + ". To do it, add --yes.");
    return Exit::error;
  }
  space.erase_range(store, all());
  store.close();
  return Exit::done;
}

}  // namespace ingot::cli
