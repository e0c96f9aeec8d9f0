#include "worker.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "message.h"
#include "shop.h"

namespace demo {

namespace {

using Clock = std::chrono::steady_clock;

std::uint32_t micros_since(Clock::time_point begun) {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun).count());
}

class Worker {
 public:
  explicit Worker(const WorkerArguments& arguments)
      : arguments_(arguments), random_(std::random_device{}()), opening_(Clock::now()) {}

  int run() {
    try {
      ingot::Store store = ingot::open(arguments_.store);
      // The names come from the store itself, as they would in an application.
      (void)kTotals.get(store, "orders");
      Message opened;
      opened.kind = Message::Kind::opened;
      opened.micros = micros_since(opening_);
      tell(opened);
      if (arguments_.inspector) {
        inspect_forever(store);
      } else {
        sell_forever(store);
      }
    } catch (const Wrong& wrong) {
      complain(wrong.what);
    } catch (const ingot::Error& error) {
      complain(std::string("an error: ") + ingot::name(error.code()) + ": " + error.what());
    }
    return 1;
  }

 private:
  void tell(Message message) {
    message.worker = arguments_.worker;
    // Nobody listens any more: the show is over.
    if (write(arguments_.pipe, &message, sizeof message) != sizeof message) _exit(0);
  }
  void complain(const std::string& what) {
    Message message;
    message.kind = Message::Kind::wrong;
    std::memcpy(message.text, what.data(), std::min(what.size(), sizeof message.text - 1));
    tell(message);
  }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  // Half of all trade is in a hundred packages, so that transactions meet.
  const std::string& pick() {
    const std::size_t hot = std::min<std::size_t>(100, names_.size());
    return below(2) == 0 ? names_[below(hot) * (names_.size() / hot)] : names_[below(names_.size())];
  }

  void load_names(const ingot::Store& store) {
    const ingot::Snapshot snapshot = store.snapshot();
    for (const auto& [name, units] : kStock.scan(snapshot)) names_.emplace_back(name);
    if (names_.size() < 2) throw Wrong{"the shop has no stock"};
  }

  void inspect_forever(const ingot::Store& store) {
    load_names(store);
    for (;;) {
      const Clock::time_point begun = Clock::now();
      Message message;
      message.kind = Message::Kind::inspected;
      message.count = static_cast<std::uint32_t>(inspect(store, names_.size()));
      message.micros = micros_since(begun);
      tell(message);
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
    }
  }

  void sell_forever(ingot::Store& store) {
    load_names(store);
    for (std::uint64_t sequence = 1;;) {
      Message message;
      browse(store, message);
      const Clock::time_point begun = Clock::now();
      if (below(5) < 2) {
        const OrderId start{static_cast<std::uint32_t>(below(arguments_.worker + 1)), below(1000)};
        if (const std::optional<Shipped> shipped = ship_order(store, start)) {
          message.kind = Message::Kind::shipped;
          message.micros = micros_since(begun);
          message.version = shipped->commit.version;
          message.conflicts = shipped->commit.conflicts;
          message.order_worker = shipped->order.worker;
          message.order_sequence = shipped->order.sequence;
          tell(message);
          continue;
        }
      }
      const std::string& from = pick();
      const std::string* to = &pick();
      while (*to == from) to = &pick();
      const Committed committed =
          place_order(store, {arguments_.worker, sequence}, from, *to, 1 + static_cast<std::int64_t>(below(9)));
      message.kind = Message::Kind::ordered;
      message.micros = micros_since(begun);
      message.sequence = sequence++;
      message.version = committed.version;
      message.conflicts = committed.conflicts;
      tell(message);
    }
  }

  // Customers look at many things before they buy one.
  void browse(const ingot::Store& store, Message& message) {
    constexpr std::uint32_t kLooks = 20;
    for (std::uint32_t i = 0; i < kLooks; ++i) {
      const std::string& name = pick();
      const Clock::time_point begun = Clock::now();
      const std::optional<ingot::Value> record = kPackages.get(store, name);
      const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begun).count();
      message.read_nanos = static_cast<std::uint32_t>(std::min<std::int64_t>(nanos, UINT32_MAX));
      if (!record) throw Wrong{"package " + name + " is gone"};
      if (record->view().find("\"" + name + "\"") == std::string_view::npos) {
        throw Wrong{"package " + name + " has the record of another"};
      }
    }
    message.reads = kLooks;
  }

  const WorkerArguments& arguments_;
  std::mt19937_64 random_;
  Clock::time_point opening_;
  std::vector<std::string> names_;
};

}  // namespace

int run_worker(const WorkerArguments& arguments) {
  // Whatever ends the supervisor ends its workers.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != arguments.parent) return 1;
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);  // Ctrl-C is the supervisor's business
  return Worker(arguments).run();
}

}  // namespace demo
