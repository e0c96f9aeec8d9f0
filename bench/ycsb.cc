// See ycsb.h. Requests are zipfian (theta 0.99), the popular keys scattered over the key space; D reads the newest
// records most. Updates replace whole values. F's modifications are transactions, which YCSB leaves open.
#include "ycsb.h"

namespace bench {
namespace {

constexpr std::uint64_t kScanRecordsMax = 100;
constexpr std::uint64_t kEveryByteEvery = 32;

// One thread's operations on the main store.
class Client {
 public:
  Client(Stage& stage, Turn& turn, std::uint64_t settled) : stage_(stage), turn_(turn), settled_(settled) {}

  void read() { read_index(rank()); }

  void read_latest() {
    const std::uint64_t count = stage_.records_put.load(std::memory_order_relaxed);
    read_index(count - 1 - rank() % count);
  }

  void update() {
    const Key key = key_of(rank());
    ValueBytes value;
    make_value(view(key), static_cast<std::uint32_t>(turn_.random.next() >> 40U), value);
    turn_.session.put(view(key), view(value));
  }

  void insert() {
    const Key key = key_of(stage_.records_put.fetch_add(1));
    ValueBytes value;
    make_value(view(key), 0, value);
    turn_.session.put(view(key), view(value));
  }

  void modify() { turn_.session.advance(view(key_of(rank()))); }

  void scan() {
    const Key key = key_of(rank());
    ScanTotals totals;
    turn_.session.scan(view(key), 1 + turn_.random.below(kScanRecordsMax), totals);
    if (totals.records == 0 || totals.first != key) throw WrongAnswer("a scan did not begin with its first key");
  }

 private:
  std::uint64_t rank() { return stage_.catalog().ranks.at(turn_.position++); }

  void read_index(std::uint64_t index) {
    const Key key = key_of(index);
    const std::optional<std::string_view> value = turn_.session.get(view(key));
    // Another thread may have taken the index and not have committed yet.
    if (!value && index >= settled_) return;
    expect_present(view(key), value, turn_.done % kEveryByteEvery == 0);
    turn_.saw(index);
  }

  Stage& stage_;
  Turn& turn_;
  std::uint64_t settled_;
};

template <char kMix>
void step(Client& client, std::uint64_t dice) {  // dice: 0 to 99
  if constexpr (kMix == 'A') {
    dice < 50 ? client.read() : client.update();
  } else if constexpr (kMix == 'B') {
    dice < 95 ? client.read() : client.update();
  } else if constexpr (kMix == 'C') {
    client.read();
  } else if constexpr (kMix == 'D') {
    dice < 95 ? client.read_latest() : client.insert();
  } else if constexpr (kMix == 'E') {
    dice < 95 ? client.scan() : client.insert();
  } else {
    static_assert(kMix == 'F');
    dice < 50 ? client.read() : client.modify();
  }
}

}  // namespace

template <char kMix>
Measured ycsb(Stage& stage, const Workload& workload) {
  stage.open_loaded(kMainStore, Durability::process, kMix == 'F' ? Transactions::read_modify_write : Transactions::none,
                    workload.threads);
  const std::uint64_t settled = stage.records_put.load();
  const Plan plan{.threads = workload.threads,
                  .seconds = stage.catalog().scale.seconds,
                  .warmup_seconds = stage.catalog().scale.seconds * 0.25,
                  .timing = kMix == 'C' ? Timing::sampled : Timing::each};
  const Measured measured = measure(plan, stage.sessions(), [&stage, settled](Turn& turn) {
    Client client(stage, turn, settled);
    step<kMix>(client, turn.random.below(100));
  });
  for (std::uint64_t index = settled; index < stage.records_put.load(); ++index) {
    const Key key = key_of(index);
    expect_present(view(key), stage.sessions()[0]->get(view(key)), true);
  }
  return measured;
}

template Measured ycsb<'A'>(Stage& stage, const Workload& workload);
template Measured ycsb<'B'>(Stage& stage, const Workload& workload);
template Measured ycsb<'C'>(Stage& stage, const Workload& workload);
template Measured ycsb<'D'>(Stage& stage, const Workload& workload);
template Measured ycsb<'E'>(Stage& stage, const Workload& workload);
template Measured ycsb<'F'>(Stage& stage, const Workload& workload);

}  // namespace bench
