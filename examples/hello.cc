// The whole of it: open a store, put a record, read it, change it in a transaction.
#include <ingot/ingot.h>

#include <iostream>

int main(int count, char** words) {
  ingot::Store store = ingot::open(count > 1 ? words[1] : "./data");
  ingot::Space users{"users"};

  users.put(store, "42", "Ada");
  std::cout << "user 42 is " << *users.get(store, "42") << "\n";

  store.transact([&](ingot::Transaction& tx) {
    users.put(tx, "42", users.get(tx, "42")->str() + " Lovelace");
    users.put(tx, "43", "Grace Hopper");
  });
  for (const auto& [key, value] : users.scan(store)) std::cout << key << " is " << value << "\n";
  return users.get(store, "42")->view() == "Ada Lovelace" ? 0 : 1;
}
