// The workload: a shop that sells the packages of a Debian catalogue. One order changes six things in one transaction:
//
//   packages/<name>      the imported record; its field "Revision" counts the orders that took from it
//   stock/<name>         units on the shelf: an order moves some from one package to another
//   orders/<worker, n>   the order: "from to units"
//   jobs/<worker, n>     the job of shipping it; shipping moves it to done/<worker, n>
//   audit/<version>      one line, whose key is the commit's version
//   totals/orders, totals/done   counters, which never conflict
//
// So at any version: stock adds up to what there was at the beginning; each order has one audit line of its own
// version, and either a job or a done row; the totals are the numbers of rows; a package's revision is the number of
// orders from it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingot/ingot.h"

namespace demo {

inline const ingot::Space kPackages("packages");
inline const ingot::Space kStock("stock");
inline const ingot::Space kOrders("orders");
inline const ingot::Space kJobs("jobs");
inline const ingot::Space kDone("done");
inline const ingot::Space kAudit("audit");
inline const ingot::Space kTotals("totals");

constexpr std::int64_t kUnitsAtFirst = 1000;

// Who made an order, and the how-manieth of that worker's it is.
struct OrderId {
  std::uint32_t worker = 0;
  std::uint64_t sequence = 0;
  friend auto operator<=>(const OrderId&, const OrderId&) = default;
  [[nodiscard]] std::string key() const {
    return ingot::key(static_cast<std::int64_t>(worker), static_cast<std::int64_t>(sequence));
  }
  [[nodiscard]] std::string text() const { return std::to_string(worker) + "/" + std::to_string(sequence); }
};
std::optional<OrderId> order_id(std::string_view key);

struct Order {
  std::string from;
  std::string to;
  std::int64_t units = 0;
  [[nodiscard]] std::string text() const { return from + " " + to + " " + std::to_string(units); }
};
std::optional<Order> parse_order(std::string_view text);

// A package's record without its revision, and the revision (0: none yet).
struct Revised {
  std::string record;
  std::uint64_t revision = 0;
};
std::optional<Revised> split_revision(std::string_view value);
std::string with_revision(const Revised& revised);

std::int64_t number(std::string_view text);
// The first eight bytes of an audit line's key.
std::string version_bytes(ingot::Version version);
std::optional<ingot::Version> version_of(std::string_view key);

// Puts units on all shelves, in one transaction.
void fill_stock(ingot::Store& store, const std::vector<std::string>& names);

// What an invariant that does not hold is thrown as.
struct Wrong {
  std::string what;
};

struct Committed {
  ingot::Version version = 0;
  std::uint32_t conflicts = 0;
};

// One order, as one transaction, tried until it wins.
Committed place_order(ingot::Store& store, const OrderId& id, const std::string& from, const std::string& to,
                      std::int64_t units);

// Ships one order that waits, near `start` in the queue; nothing if none waits.
struct Shipped {
  OrderId order;
  Committed commit;
};
std::optional<Shipped> ship_order(ingot::Store& store, const OrderId& start);

// Checks all that must hold at every version, on one snapshot; returns the number of records that it read.
// Throws Wrong.
std::uint64_t inspect(const ingot::Store& store, std::size_t packages);

}  // namespace demo
