// get, put, erase, scan: the verbs of single records.
#include <chrono>

#include "cli/bytes_argument.h"
#include "cli/text.h"
#include "cli/verb.h"

namespace ingot::cli {
namespace {

// One transaction of blind writes, which can't lose to another: so its version is known at once.
template <class Function>
Version commit(Store& store, const Function& function) {
  for (;;) {
    Transaction tx = store.begin();
    function(tx);
    if (const auto version = tx.commit()) return *version;
  }
}

void print_version(Context& context, Version version) {
  if (context.json) context.output.line(JsonObject().add("version", version).finish());
}

std::optional<std::chrono::microseconds> ttl_option(const Context& context) {
  const auto text = context.arguments.value("ttl");
  if (!text) return std::nullopt;
  const auto ttl = parse_duration(*text);
  if (!ttl)
    throw UsageError("--ttl must be a time such as 90s, 5m, 1.5h or 2d (at most 100 years), not " + shown(*text) + '.');
  return ttl;
}

void print_value(Context& context, std::string_view value) {
  context.output.write(value);
  if (context.output.terminal() && (value.empty() || value.back() != '\n')) context.output.write("\n");
}

Range erase_range_of(Context& context, const ByteForm& form) {
  const auto& ends = context.arguments.values("range");
  if (!ends.empty()) return between(key_argument(context, form, ends[0]), key_argument(context, form, ends[1]));
  return prefix(key_argument(context, form, *context.arguments.value("prefix")));
}

Range scan_range(Context& context, const ByteForm& form) {
  const auto begins = context.arguments.value("prefix");
  const auto from = context.arguments.value("from"), to = context.arguments.value("to");
  if (begins && (from || to)) throw UsageError("--prefix is a range by itself: leave out --from and --to.");
  if (begins) return prefix(key_argument(context, form, *begins));
  Range range;
  if (from) range.begin = key_argument(context, form, *from);
  if (to) range.end = key_argument(context, form, *to);
  if (range.end && *range.end < range.begin) {
    throw UsageError("--to comes before --from: the range is empty. (With --reverse too, --from is the lower end.)");
  }
  return range;
}

}  // namespace

Exit run_get(Context& context) {
  const Space space = space_argument(context.argument(0));
  const ByteForm form = byte_form(context);
  std::vector<std::string> keys;
  for (const std::string& word : context.arguments_after(1)) keys.push_back(key_argument(context, form, word));

  const Store store = open_store(context.where(), Access::read);
  const Snapshot snapshot = store.snapshot();
  Exit status = Exit::done;
  for (const std::string& key : keys) {
    const auto record = space.get_record(snapshot, key);
    if (!record) {
      context.output.flush();  // so that both streams are in order on a terminal
      say("There is no key " + shown_key(form, key) + " in space \"" + shown(space.name()) + "\".");
      status = Exit::not_found;
    } else if (context.json) {
      context.output.line(record_json(form, key, record->value, record->version, record->expires_micros));
    } else if (keys.size() == 1) {
      print_value(context, record->value);
    } else {
      context.output.line(shown_key(form, key) + '\t' + escaped(record->value));
    }
  }
  return status;
}

Exit run_put(Context& context) {
  const Space space = space_argument(context.argument(0));
  const ByteForm form = byte_form(context);
  const PutOptions options{.ttl = ttl_option(context)};
  const std::string key = key_argument(context, form, context.argument(1));
  const std::string value = value_argument(context, form, context.argument(2));
  Store store = open_store(context.where(), Access::make);
  const Version version = commit(store, [&](Transaction& tx) { space.put(tx, key, value, options); });
  store.close();
  print_version(context, version);
  return Exit::done;
}

Exit run_erase(Context& context) {
  const Space space = space_argument(context.argument(0));
  const ByteForm form = byte_form(context);
  const auto words = context.arguments_after(1);
  const int ways =
      (words.empty() ? 0 : 1) + (context.arguments.has("range") ? 1 : 0) + (context.arguments.has("prefix") ? 1 : 0);
  if (ways != 1)
    throw UsageError(
        "erase takes keys, or --range FROM TO, or --prefix BYTES: one of them. (All of a space: ingot drop.)");
  std::vector<std::string> keys;
  for (const std::string& word : words) keys.push_back(key_argument(context, form, word));
  std::optional<Range> range;
  if (keys.empty()) {
    range = erase_range_of(context, form);
    if (range->end && *range->end < range->begin) throw UsageError("--range ends before it begins.");
  }
  Store store = open_store(context.where(), Access::write);
  const Version version = commit(store, [&](Transaction& tx) {
    for (const std::string& key : keys) space.erase(tx, key);
    if (range) space.erase_range(tx, *range);
  });
  store.close();
  print_version(context, version);
  return Exit::done;
}

Exit run_scan(Context& context) {
  const Space space = space_argument(context.argument(0));
  const ByteForm form = byte_form(context);
  const Range range = scan_range(context, form);
  const bool keys_only = context.arguments.has("keys-only");
  ScanOptions options{.reverse = context.arguments.has("reverse")};
  if (const auto limit = context.number("limit", 0, UINT64_MAX)) options.limit = *limit;

  const Store store = open_store(context.where(), Access::read);
  const Snapshot snapshot = store.snapshot();
  Scan scan = space.scan(snapshot, range, options);
  while (scan.next()) {
    if (context.json && keys_only) {
      JsonObject object;
      add_key(object, form, scan.key());
      object.add("version", scan.version());
      if (scan.expires_micros() != 0) object.add("expires", time_text(scan.expires_micros()));
      context.output.line(object.finish());
    } else if (context.json) {
      context.output.line(record_json(form, scan.key(), scan.value(), scan.version(), scan.expires_micros()));
    } else if (keys_only) {
      context.output.line(shown_key(form, scan.key()));
    } else {
      context.output.line(shown_key(form, scan.key()) + '\t' + escaped(scan.value()));
    }
  }
  return Exit::done;
}

}  // namespace ingot::cli
