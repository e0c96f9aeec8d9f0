// Counters that never conflict, events in the order of their commits, and records that end by themselves.
#include <ingot/ingot.h>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main(int count, char** words) {
  ingot::Store store = ingot::open(count > 1 ? words[1] : "./visits");
  const ingot::Space visits{"visits"}, events{"events"}, sessions{"sessions"};
  store.transact([&](ingot::Transaction& tx) {
    visits.erase_range(tx, ingot::all());
    events.erase_range(tx, ingot::all());
  });

  // `add` reads nothing, so visitors of one page don't wait for each other. The event's key ends in a versionstamp,
  // which the store fills in when it commits: events sort as they were committed, whoever wrote them.
  std::vector<std::thread> visitors;
  for (int visitor = 0; visitor < 4; ++visitor) {
    visitors.emplace_back([&, visitor] {
      for (int i = 0; i < 25; ++i) {
        store.transact([&](ingot::Transaction& tx) {
          visits.add(tx, "home", 1);
          events.put_versioned(tx, "visit/", "visitor " + std::to_string(visitor));
        });
      }
    });
  }
  for (std::thread& visitor : visitors) visitor.join();
  const std::int64_t home = visits.get(store, "home")->counter();

  std::size_t seen = 0;
  ingot::Version before = 0;
  bool in_order = true;
  ingot::Scan scan = events.scan(store, ingot::prefix("visit/"));
  while (scan.next()) {
    in_order = in_order && scan.version() > before;
    before = scan.version();
    ++seen;
  }

  // A session that ends: gone for every reader at once.
  sessions.put(store, "9f3c", "ada", {.ttl = 50ms});
  const bool began = sessions.get(store, "9f3c").has_value();
  std::this_thread::sleep_for(100ms);
  const bool ended = !sessions.get(store, "9f3c").has_value();

  std::cout << home << " visits, " << seen << " events" << (in_order ? " in order" : " OUT OF ORDER")
            << "; the session " << (began ? "began" : "was never there") << (ended ? " and ended" : " and never ended")
            << "\n";
  return home == 100 && seen == 100 && in_order && ended ? 0 : 1;
}
