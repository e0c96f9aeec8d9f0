// Run files: any bytes may stand in one. Reading must end with records or a failure, never with a crash, whatever the
// checksums say: they are switched off half of the time, so that the structure behind them is reached.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/testing.h"
#include "runs/block.h"
#include "runs/run.h"
#include "runs/summary.h"
#include "storage/memory_directory.h"

using namespace ingot;

namespace {

void read_as_run(std::string_view bytes) {
  const std::unique_ptr<storage::Directory> directory = storage::make_memory_directory();
  (void)directory->make_directory("runs").code();
  std::unique_ptr<storage::File> file;
  const std::string path = "runs/00112233445566778899aabbccddeeff";
  (void)directory->open(path, storage::OpenMode::create, file).code();
  (void)file->write_at(0, bytes).code();
  base::EpochDomain epochs;
  const auto cache = std::make_shared<runs::BlockCache>(1 << 20, epochs);
  runs::RunSummary summary;
  summary.name = path.substr(5);
  summary.range_erasures = 1;
  const auto run = std::make_shared<runs::Run>(*directory, path, summary, cache, nullptr);
  (void)run->get("key", runs::key_hash("key"), runs::Io::allowed, [](const runs::Record&) {});
  (void)run->erased_version("key");
  const auto cursor = run->cursor(run, false);
  std::size_t steps = 0;
  for (cursor->seek_first(); cursor->valid() && steps < 10'000; cursor->next()) ++steps;
  steps = 0;
  for (cursor->seek_last(); cursor->valid() && steps < 10'000; cursor->previous()) ++steps;
}

void read_as_block(std::string_view bytes) {
  const std::string own(bytes);  // so that a read past its end is seen
  if (!runs::BlockView::verify(own)) return;
  const runs::BlockView view(own.data());
  std::string key;
  runs::Record record;
  for (std::uint32_t i = 0; i < view.count(); ++i) {
    view.read(i, record, key, i != 0);
    const std::string copy = key;
    (void)view.find(copy, runs::key_hash(copy));
    if (view.lower_bound(copy) > view.count()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  base::set_break(base::Break::run_ignore_checksum, (data[0] & 1) != 0);
  switch (data[0] >> 1 & 3) {
    case 0:
    case 1:
      read_as_run(bytes);
      break;
    case 2:
      read_as_block(bytes);
      break;
    default: {
      base::ByteReader reader(bytes);
      runs::RunSummary summary;
      if (runs::take_summary(reader, summary)) {
        std::string again;
        runs::append_summary(again, summary);
        base::ByteReader back(again);
        if (!runs::take_summary(back, summary)) std::abort();
      }
    }
  }
  return 0;
}
