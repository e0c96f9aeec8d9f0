// Scans of ranges, forwards and backwards, and a snapshot that stays as it was while the store changes.
#include <ingot/ingot.h>

#include <iostream>
#include <string>

namespace {

std::string names(ingot::Scan scan) {
  std::string text;
  for (const auto& [key, value] : scan) text += (text.empty() ? "" : " ") + std::string(value);
  return text;
}

}  // namespace

int main(int count, char** words) {
  ingot::Store store = ingot::open(count > 1 ? words[1] : "./cities");
  const ingot::Space cities{"cities"};
  store.transact([&](ingot::Transaction& tx) {
    cities.erase_range(tx, ingot::all());
    // Parts of a key sort as they should: by country, then by number, 9 before 10.
    cities.put(tx, ingot::key("at", 1), "Vienna");
    cities.put(tx, ingot::key("de", 2), "Hamburg");
    cities.put(tx, ingot::key("de", 9), "Leipzig");
    cities.put(tx, ingot::key("de", 10), "Dresden");
    cities.put(tx, ingot::key("fr", 1), "Paris");
  });

  const ingot::Snapshot then = store.snapshot();
  store.transact([&](ingot::Transaction& tx) {
    cities.erase(tx, ingot::key("de", 9));
    cities.put(tx, ingot::key("de", 1), "Berlin");
  });

  const ingot::Range germany = ingot::prefix(ingot::key("de"));
  const std::string before = names(cities.scan(then, germany));
  const std::string now = names(cities.scan(store, germany));
  const std::string last = names(cities.scan(store, germany, {.reverse = true, .limit = 1}));
  const std::string others = names(cities.scan(store, ingot::before(ingot::key("de"))));
  std::cout << "then: " << before << "\nnow: " << now << "\nlast: " << last << "\nbefore them: " << others << "\n";
  return before == "Hamburg Leipzig Dresden" && now == "Berlin Hamburg Dresden" && last == "Dresden" &&
                 others == "Vienna"
             ? 0
             : 1;
}
