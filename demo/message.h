// What workers tell the supervisor, through one pipe that all of them share: fixed-size messages below PIPE_BUF, so
// that one write is one message, whole or not there, also when its writer is killed.
#pragma once

#include <climits>
#include <cstdint>

namespace demo {

struct Message {
  enum class Kind : std::uint32_t {
    opened,     // micros: how long open() and a first read took
    ordered,    // sequence, version: commit() has returned. The order is this worker's number `sequence`
    shipped,    // version: commit() has returned. The order is (order_worker, order_sequence)
    inspected,  // a snapshot was checked: micros, count records
    wrong,      // an invariant does not hold: text says which
  };
  Kind kind = Kind::opened;
  std::uint32_t worker = 0;
  std::uint64_t sequence = 0;
  std::uint64_t version = 0;
  std::uint32_t order_worker = 0;
  std::uint32_t micros = 0;  // of the transaction, its retries included
  std::uint64_t order_sequence = 0;
  std::uint32_t conflicts = 0;   // commits that lost before this one won
  std::uint32_t reads = 0;       // point reads since the message before
  std::uint32_t read_nanos = 0;  // of one of them
  std::uint32_t count = 0;
  char text[192] = {};
};
static_assert(sizeof(Message) <= PIPE_BUF);

}  // namespace demo
