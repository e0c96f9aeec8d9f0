// A bank: threads move money between accounts, all at once, and none is lost or made.
//
// Each transfer reads two balances and writes two. If another transfer changed one of them meanwhile, `transact` runs
// the function again; an exception from it undoes the transfer.
#include <ingot/ingot.h>

#include <atomic>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

const ingot::Space kAccounts{"accounts"};
constexpr int kAccountCount = 10;
constexpr long kOpeningBalance = 100;

struct NotEnough : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string account(int number) {
  return ingot::key("account", number);
}

long balance(ingot::Reader where, int number) {
  const auto value = kAccounts.get(where, account(number));
  return value ? std::stol(value->str()) : 0;
}

void transfer(ingot::Store& store, int from, int to, long amount) {
  store.transact([&](ingot::Transaction& tx) {
    const long left = balance(tx, from) - amount;
    if (left < 0) throw NotEnough("account " + std::to_string(from) + " has not enough");
    kAccounts.put(tx, account(from), std::to_string(left));
    kAccounts.put(tx, account(to), std::to_string(balance(tx, to) + amount));
  });
}

long sum(ingot::Reader where) {
  long total = 0;
  for (const auto& [key, value] : kAccounts.scan(where, ingot::prefix(ingot::key("account")))) {
    total += std::stol(std::string(value));
  }
  return total;
}

}  // namespace

int main(int count, char** words) {
  ingot::Store store = ingot::open(count > 1 ? words[1] : "./bank");
  store.transact([&](ingot::Transaction& tx) {
    for (int i = 0; i < kAccountCount; ++i) kAccounts.put(tx, account(i), std::to_string(kOpeningBalance));
  });

  std::atomic<int> made{0}, refused{0};
  std::vector<std::thread> tellers;
  for (int teller = 0; teller < 4; ++teller) {
    tellers.emplace_back([&, teller] {
      for (int i = 0; i < 50; ++i) {
        const int from = (teller * 7 + i * 3) % kAccountCount;
        const int to = (from + 1 + i % (kAccountCount - 1)) % kAccountCount;
        try {
          transfer(store, from, to, 10 + i);
          ++made;
        } catch (const NotEnough&) {
          ++refused;
        }
      }
    });
  }
  // Whoever looks meanwhile sees every transfer wholly or not at all.
  bool always_whole = true;
  for (int i = 0; i < 20; ++i) always_whole = always_whole && sum(store.snapshot()) == kAccountCount * kOpeningBalance;
  for (std::thread& teller : tellers) teller.join();

  const long total = sum(store);
  std::cout << made << " transfers made, " << refused << " refused, " << store.stats().conflicts
            << " run again; the total is " << total << "\n";
  return always_whole && total == kAccountCount * kOpeningBalance && made + refused == 200 ? 0 : 1;
}
