// Checkpoints, edits and mutations: any bytes are one, or are refused; what is accepted survives being written again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/checkpoint.h"
#include "engine/edit.h"
#include "engine/mutation.h"

using namespace ingot;
using namespace ingot::engine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] & 3) {
    case 0:
    case 1: {
      // The hash is made right, so that what lies behind it is reached.
      const base::Hash128 id{1, 2};
      Checkpoint empty;
      std::string file = encode_checkpoint(id, empty);
      Checkpoint checkpoint;
      if ((data[0] & 1) == 0) file = bytes;
      if (decode_checkpoint(id, file, checkpoint) == CheckpointRead::found) {
        Checkpoint again;
        if (decode_checkpoint(id, encode_checkpoint(id, checkpoint), again) != CheckpointRead::found) std::abort();
      }
      break;
    }
    case 2: {
      const std::optional<Edit> edit = decode_edit(bytes);
      if (edit && !decode_edit(encode_edit(*edit))) std::abort();
      break;
    }
    default: {
      base::ByteReader reader(bytes);
      Mutation mutation;
      while (!reader.empty() && take_mutation(reader, mutation)) {
      }
    }
  }
  return 0;
}
