// The proof at the end: the store against what was acknowledged and what was imported.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "crowd.h"
#include "ingot/ingot.h"

namespace demo {

using Catalogue = std::map<std::string, std::string>;  // name -> paragraph

struct Proof {
  std::vector<std::string> wrong;  // the first few, in words
  std::uint64_t wrong_count = 0;
  std::uint64_t records = 0;         // of the catalogue, field by field as in the input
  std::uint64_t acknowledged = 0;    // commits that were looked for …
  std::uint64_t found = 0;           // … and found, with their version
  std::uint64_t unacknowledged = 0;  // orders that are wholly there although their worker died before it could say so
  std::uint64_t unacknowledged_shipments = 0;
  std::uint64_t half = 0;  // orders of which something is missing
  void complain(const std::string& what);
};

// Every record of the catalogue is in the store, and nothing else is; `revisions`: by name, what "Revision" must be.
void prove_catalogue(const ingot::Store& store, const Catalogue& catalogue,
                     const std::map<std::string, std::uint64_t>& revisions, Proof& proof);

// Everything that was acknowledged is there, with its version; the rest is wholly there or wholly absent; stock, totals
// and revisions are what the orders in the store add up to.
void prove_orders(const ingot::Store& store, const Catalogue& catalogue, const Account& account, Proof& proof);

}  // namespace demo
