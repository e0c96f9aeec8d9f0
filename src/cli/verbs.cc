// The table of verbs: what each takes, and all that help, completion and the manual say.
#include "cli/bytes_argument.h"
#include "cli/verb.h"

namespace ingot::cli {

const std::vector<Option>& common_options() {
  static const std::vector<Option> kOptions = {
      {"store", 's', "STORE", "A directory, or s3://BUCKET/PREFIX; without it: $INGOT_STORE"},
      {"json", 'j', "", "One JSON value a line, with stable names"},
      {"help", 'h', "", "Help, and nothing else"},
      {"version", 'V', "", "The release, if there is no verb"},
  };
  return kOptions;
}

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> kVerbs = {
      {"get",
       "SPACE KEY…",
       "Prints the value of a key",
       "The value's bytes as they are; a newline follows only on a terminal. Of several\n"
       "keys: a line each, KEY TAB VALUE, escaped, all read at one moment. Keys that are\n"
       "not there are named on stderr, and the exit status is 1.\n",
       "ingot get users 42\n"
       "ingot get photos cat.jpg > cat.jpg\n"
       "ingot get users 42 43 44 --json\n"
       "ingot get packages --tuple '[\"bash\", \"5.2.15-2+b2\"]'\n",
       {kHexOption, kBase64Option, kTupleOption},
       2,
       kAnyNumber,
       run_get},
      {"put",
       "SPACE KEY VALUE",
       "Sets a key to a value",
       "It is on the disk when the command returns. With --ttl the record is gone after\n"
       "that time, for every reader at once: 90s, 5m, 1.5h, 2d.\n",
       "ingot put users 42 '{\"name\": \"Ada\"}'\n"
       "ingot put photos cat.jpg @cat.jpg\n"
       "date | ingot put notes now -\n"
       "ingot put sessions 9f3c ada --ttl 1h\n",
       {{"ttl", 't', "TIME", "When the record ends: 90s, 5m, 1h, 2d"}, kHexOption, kBase64Option, kTupleOption},
       3,
       3,
       run_put},
      {"erase",
       "SPACE [KEY…]",
       "Removes keys, or a range of them",
       "All in one transaction. A key that is not there is no error.\n",
       "ingot erase users 42 43\n"
       "ingot erase logs --range 2024-01 2024-02\n"
       "ingot erase logs --prefix 2023-\n",
       {{"range", 0, "FROM TO", "All keys from FROM on, up to but without TO"},
        {"prefix", 'p', "BYTES", "All keys that begin so"},
        kHexOption,
        kBase64Option,
        kTupleOption},
       1,
       kAnyNumber,
       run_erase},
      {"scan",
       "SPACE",
       "Prints the records of a space, in order",
       "A line each: KEY TAB VALUE, escaped. With --json: {\"key\", \"value\", \"version\"},\n"
       "and \"expires\" if it does. All of it is as of one moment.\n",
       "ingot scan users --prefix 4 --limit 10\n"
       "ingot scan logs --from 2024-06 --to 2024-07 --keys-only\n"
       "ingot scan users --reverse --limit 1\n"
       "ingot scan users --json | jq -r .value\n",
       {{"prefix", 'p', "BYTES", "Only keys that begin so"},
        {"from", 0, "KEY", "Only keys from this on"},
        {"to", 0, "KEY", "Only keys before this"},
        {"reverse", 'r', "", "From the last to the first"},
        {"limit", 'n', "NUMBER", "At most so many"},
        {"keys-only", 'k', "", "Without the values"},
        kHexOption,
        kBase64Option,
        kTupleOption},
       1,
       1,
       run_scan},
      {"apply",
       "[FILE|-]",
       "Runs JSON lines of verbs as one transaction",
       "All lines are done, or none. Each is an object with one verb:\n"
       "  {\"put\": {\"space\": \"s\", \"key\": \"k\", \"value\": \"v\", \"ttl\": \"1h\"}}\n"
       "  {\"erase\": {\"space\": \"s\", \"key\": \"k\"}}\n"
       "  {\"erase_range\": {\"space\": \"s\", \"begin\": \"a\", \"end\": \"b\"}}   or \"prefix\"\n"
       "  {\"add\": {\"space\": \"s\", \"key\": \"k\", \"delta\": -1}}\n"
       "  {\"check\": {\"space\": \"s\", \"key\": \"k\", \"value\": \"v\"}}\n"
       "       or \"absent\": true, or \"version\": N as get --json shows it\n"
       "A check sees what the lines before it wrote. One that does not hold: exit status\n"
       "1, nothing is done. Bytes that are no text: key_base64, value_base64, and so on.\n",
       "ingot apply changes.jsonl\n"
       "echo '{\"add\": {\"space\": \"visits\", \"key\": \"home\", \"delta\": 1}}' | ingot apply\n",
       {},
       0,
       1,
       run_apply},
      {"spaces",
       "",
       "Lists the spaces that hold anything",
       "",
       "ingot spaces\n"
       "ingot spaces --count --json\n",
       {{"count", 'c', "", "With the number of records (reads all keys)"}},
       0,
       0,
       run_spaces},
      {"drop",
       "SPACE --yes",
       "Removes all records of a space",
       "Without --yes it only says what it would do.\n",
       "ingot drop sessions --yes\n",
       {{"yes", 'y', "", "Do it"}},
       1,
       1,
       run_drop},
      {"import",
       "[SPACE] FILE",
       "Reads records from a file, or stdin (-)",
       "Formats: jsonl (the value is the line), csv and tsv (a header line names the\n"
       "fields), control (Debian's package lists); the values of the latter three are JSON\n"
       "objects of the fields. export: what `ingot export` wrote, which names its spaces,\n"
       "and needs no SPACE. Without --format the name and the contents tell.\n"
       "--key says which field is the key; several make a tuple. Without it: control:\n"
       "Package; csv, tsv: the first.\n"
       "A key that is there already is replaced. Bad lines are named on stderr and left\n"
       "out; the exit status is then 1. If it is stopped or killed, the same command goes\n"
       "on where it was: progress is kept in the space ingot.import, with the records.\n",
       "ingot import packages available.txt --format control --key Package\n"
       "ingot import users users.csv --key id\n"
       "ingot import events events.jsonl --key user,time\n"
       "zcat dump.jsonl.gz | ingot import -\n",
       {{"format", 'f', "NAME", "jsonl, csv, tsv, control or export"},
        {"key", 'k', "FIELDS", "The key's field; several, by commas: a tuple"},
        {"strict", 0, "", "Stop at the first bad line; what came before stays"},
        {"restart", 0, "", "Begin at the beginning"}},
       1,
       2,
       run_import},
      {"export",
       "[SPACE…]",
       "Prints records as JSON lines that import reads back exactly",
       "Every byte and every expiry, of all spaces or those named, as of one moment.\n"
       "With --salvage also of a store that is damaged beyond healing: what can't be read\n"
       "is named on stderr and left out; the exit status is then 1.\n",
       "ingot export > store.jsonl\n"
       "ingot export users | ingot -s other import -\n"
       "ingot export --salvage > rest.jsonl\n",
       {kSalvageOption},
       0,
       kAnyNumber,
       run_export},
      {"copy",
       "[FROM] TO",
       "Copies a store, verified, while it is in use",
       "Into a directory that does not exist yet, or a prefix of a bucket under which there\n"
       "is nothing (s3://bucket/prefix); FROM may be either, too. The copy is a store: to\n"
       "restore it, open it. If it is interrupted, or fails, the same command goes on with\n"
       "it: what is there already is not transferred again. Exit status 130: interrupted by\n"
       "a signal.\n"
       "With --salvage also a store that is damaged beyond healing: what can't be read is\n"
       "named on stderr and left out; the exit status is then 1.\n",
       "ingot copy data backup/2024-06-01\n"
       "ingot -s data copy s3://backups/app\n"
       "ingot copy s3://backups/app restored\n",
       {kSalvageOption},
       1,
       2,
       run_copy},
      {"check",
       "",
       "Reads and verifies every byte of the store; heals what it can",
       "A line for each place that was healed, and for each that could not be, with file\n"
       "and range. Exit status 0: clean. 1: something was healed, or could not be. 2: the\n"
       "store can't be opened at all. Never needed: what is read is verified all the time.\n",
       "ingot check && echo clean\n"
       "ingot check --json | jq -r '.damage[]'\n",
       {},
       0,
       0,
       run_check},
      {"stats",
       "",
       "What the store says of itself: version, health, memory, disk",
       "",
       "ingot stats\n"
       "ingot stats --json | jq .run_bytes\n",
       {},
       0,
       0,
       run_stats},
      {"info", "", "What this store is: where, its size, its newest version", "", "ingot info\n", {}, 0, 0, run_info},
      {"bench",
       "",
       "Measures this machine's disk with a store of its own",
       "In a temporary directory beside the store (or in --directory), removed afterwards.\n"
       "The store itself is not touched.\n",
       "ingot bench\n"
       "ingot bench --directory /mnt/fast --seconds 30 --json\n",
       {{"directory", 'd', "DIRECTORY", "Measure in this directory"},
        {"seconds", 0, "NUMBER", "How long in all, about (5 to 600; without it: 10)"}},
       0,
       0,
       run_bench},
      {"completion",
       "SHELL",
       "Prints completion for bash, zsh or fish",
       "",
       "source <(ingot completion bash)\n",
       {},
       1,
       1,
       run_completion},
      {"manual", "", "Prints the manual page, for man", "", "ingot manual | man -l -\n", {}, 0, 0, run_manual},
      {"help", "[VERB]", "Prints this, or a verb's help", "", "ingot help import\n", {}, 0, 1, run_help},
  };
  return kVerbs;
}

const Verb* find_verb(std::string_view name) {
  for (const Verb& verb : verbs()) {
    if (name == verb.name) return &verb;
  }
  return nullptr;
}

}  // namespace ingot::cli
