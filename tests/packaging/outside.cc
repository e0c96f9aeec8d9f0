// A program of somebody else, against the installed library.
#include <ingot/ingot.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  ingot::Store store = ingot::open(argv[1]);
  const ingot::Space greetings{"greetings"};
  greetings.put(store, "hello", "world");
  store.transact([&](ingot::Transaction& tx) { greetings.add(tx, "count", 1); });
  std::cout << greetings.get(store, "hello").value() << " from " << ingot::release() << "\n";
  return greetings.get(store, "count")->counter() == 1 ? 0 : 1;
}
