#include "verify.h"

#include <set>

#include "catalogue.h"
#include "shop.h"

namespace demo {

void Proof::complain(const std::string& what) {
  constexpr std::size_t kShownMax = 20;
  ++wrong_count;
  if (wrong.size() < kShownMax) wrong.push_back(what);
}

void prove_catalogue(const ingot::Store& store, const Catalogue& catalogue,
                     const std::map<std::string, std::uint64_t>& revisions, Proof& proof) {
  const ingot::Snapshot snapshot = store.snapshot();
  ingot::Scan scan = kPackages.scan(snapshot);
  for (const auto& [name, paragraph] : catalogue) {
    if (!scan.next() || scan.key() != name) {
      proof.complain("package " + name + " is not in the store where it should be");
      return;
    }
    const std::optional<Revised> revised = split_revision(scan.value());
    const std::optional<Fields> fields = revised ? json_fields(revised->record) : std::nullopt;
    if (!fields) {
      proof.complain("package " + name + ": its record is no JSON object");
    } else if (*fields != control_fields(paragraph)) {
      proof.complain("package " + name + ": its record is not what the catalogue says");
    } else {
      ++proof.records;
    }
    const auto revision = revisions.find(name);
    const std::uint64_t expected = revision == revisions.end() ? 0 : revision->second;
    if (revised && revised->revision != expected) {
      proof.complain("package " + name + " has revision " + std::to_string(revised->revision) + ", there are " +
                     std::to_string(expected) + " orders from it");
    }
  }
  if (scan.next()) proof.complain("the store has a package that the catalogue lacks: " + std::string(scan.key()));
}

namespace {

// An order as the store has it.
struct Found {
  ingot::Version version = 0;
  Order order;
  bool has_job = false;
  ingot::Version done = 0;
  bool audited = false;
  [[nodiscard]] bool whole() const { return version != 0 && audited && has_job != (done != 0); }
};

std::map<OrderId, Found> read_orders(const ingot::Snapshot& snapshot, Proof& proof) {
  std::map<OrderId, Found> orders;
  const auto id_of = [&](const ingot::Scan& scan) {
    const std::optional<OrderId> id = order_id(scan.key());
    if (!id) proof.complain("a key that is no order's");
    return id.value_or(OrderId{});
  };
  std::map<ingot::Version, OrderId> by_version;
  for (ingot::Scan scan = kOrders.scan(snapshot); scan.next();) {
    const OrderId id = id_of(scan);
    Found& found = orders[id];
    found.version = scan.version();
    const std::optional<Order> order = parse_order(scan.value());
    if (!order) proof.complain("order " + id.text() + " is garbled");
    found.order = order.value_or(Order{});
    by_version[found.version] = id;
  }
  for (ingot::Scan scan = kJobs.scan(snapshot); scan.next();) {
    Found& found = orders[id_of(scan)];
    found.has_job = true;
    if (found.version != scan.version()) proof.complain("a job has another version than its order");
  }
  for (ingot::Scan scan = kDone.scan(snapshot); scan.next();) orders[id_of(scan)].done = scan.version();
  for (ingot::Scan scan = kAudit.scan(snapshot); scan.next();) {
    const auto id = by_version.find(version_of(scan.key()).value_or(0));
    if (id == by_version.end() || scan.value() != "order " + id->second.text() || scan.version() != id->first) {
      proof.complain("an audit line that belongs to no order: " + std::string(scan.value()));
    } else {
      orders[id->second].audited = true;
    }
  }
  return orders;
}

}  // namespace

void prove_orders(const ingot::Store& store, const Catalogue& catalogue, const Account& account, Proof& proof) {
  const ingot::Snapshot snapshot = store.snapshot();
  const std::map<OrderId, Found> orders = read_orders(snapshot, proof);

  for (const auto& [order_id, acknowledged] : account.orders) {
    const OrderId& id = order_id;
    const auto found = orders.find(id);
    const auto look = [&](ingot::Version version, ingot::Version there, const char* what) {
      if (version == 0) return;
      ++proof.acknowledged;
      if (found != orders.end() && there == version) {
        ++proof.found;
        return;
      }
      proof.complain(std::string(what) + " of order " + id.text() + ", acknowledged at version " +
                     std::to_string(version) + ", is " +
                     (there == 0 ? "not there" : "there at version " + std::to_string(there)));
    };
    look(acknowledged.ordered, found == orders.end() ? 0 : found->second.version, "the making");
    look(acknowledged.shipped, found == orders.end() ? 0 : found->second.done, "the shipping");
  }

  std::map<std::string, std::uint64_t> revisions;
  std::map<std::string, std::int64_t> stock;
  std::int64_t done = 0;
  for (const auto& [id, found] : orders) {
    if (!found.whole()) {
      ++proof.half;
      proof.complain("order " + id.text() + " is half there");
    }
    ++revisions[found.order.from];
    stock[found.order.from] -= found.order.units;
    stock[found.order.to] += found.order.units;
    done += found.done != 0 ? 1 : 0;
    const auto said = account.orders.find(id);
    if (said == account.orders.end() || said->second.ordered == 0) {
      // Whoever died between commit() and saying so left one order at most, the one after its last.
      ++proof.unacknowledged;
      const auto last = account.last_order.find(id.worker);
      if (id.sequence != (last == account.last_order.end() ? 0 : last->second) + 1) {
        proof.complain("order " + id.text() + " is there, but nobody can have made it");
      }
    }
    if (found.done != 0 && (said == account.orders.end() || said->second.shipped == 0))
      ++proof.unacknowledged_shipments;
  }
  if (proof.unacknowledged > account.kills || proof.unacknowledged_shipments > account.kills) {
    proof.complain("there are more unacknowledged commits than workers that were killed");
  }

  ingot::Scan shelves = kStock.scan(snapshot);
  for (const auto& [name, paragraph] : catalogue) {
    if (!shelves.next() || shelves.key() != name) {
      proof.complain("the shelf of " + name + " is not in the store where it should be");
      break;
    }
    const auto change = stock.find(name);
    const std::int64_t expected = kUnitsAtFirst + (change == stock.end() ? 0 : change->second);
    if (number(shelves.value()) != expected) {
      proof.complain("there are " + std::string(shelves.value()) + " units of " + name + ", the orders leave " +
                     std::to_string(expected));
    }
  }
  const auto total = [&](const char* name, std::int64_t expected) {
    const std::optional<ingot::Value> value = kTotals.get(snapshot, name);
    if (!value || value->counter() != expected) {
      proof.complain(std::string("totals/") + name + " is not " + std::to_string(expected));
    }
  };
  total("orders", static_cast<std::int64_t>(orders.size()));
  total("done", done);
  prove_catalogue(store, catalogue, revisions, proof);
}

}  // namespace demo
