// check_lists(): the order of writes from the lists themselves, and cycles in what follows from it.
#include <algorithm>
#include <deque>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "support/history.h"

namespace ingot::history {

namespace {

enum class Why : std::uint8_t { write_write, write_read, read_write, real_time };

struct Edge {
  std::size_t to;
  Why why;
  const std::string* key;  // null for real_time
};

class Lists {
 public:
  Lists(const std::vector<Transaction>& history, const std::optional<FinalState>& final_state)
      : history_(history), final_(final_state) {}

  std::vector<Violation> run() {
    for (std::size_t i = 0; i < history_.size(); ++i) {
      by_id_[history_[i].id] = i;
      for (const std::string& key : history_[i].appends) appenders_[key].insert(history_[i].id);
    }
    gather_orders();
    if (violations_.empty()) {
      find_present();
      add_edges();
      add_real_time();
      find_cycles();
    }
    return std::move(violations_);
  }

 private:
  using Kind = Violation::Kind;

  void report(Kind kind, std::string text) {
    if (violations_.size() < kViolationsMax) violations_.push_back({kind, std::move(text)});
  }

  static std::string show(const std::vector<std::uint64_t>& ids) {
    std::string text = "[";
    const std::size_t first = ids.size() > 8 ? ids.size() - 8 : 0;
    if (first != 0) text += "… ";
    for (std::size_t i = first; i < ids.size(); ++i) text += (i == first ? "" : " ") + std::to_string(ids[i]);
    return text + "]";
  }

  // Every list that somebody saw, or wrote and was acknowledged, is the beginning of the longest of its key.
  void observe(const std::string& key, const std::vector<std::uint64_t>& ids, const std::string& where) {
    std::unordered_set<std::uint64_t> seen;
    for (const std::uint64_t id : ids) {
      const auto writer = by_id_.find(id);
      const bool wrote = writer != by_id_.end() && appenders_[key].count(id) != 0;
      if (!wrote) {
        report(Kind::dirty_read, where + " has " + std::to_string(id) + " in the list " + printable(key) +
                                     ", which no transaction appended there");
      } else if (history_[writer->second].outcome == Outcome::lost) {
        report(Kind::dirty_read, where + " has " + std::to_string(id) + " in the list " + printable(key) +
                                     ", whose transaction was lost");
      }
      if (!seen.insert(id).second) {
        report(Kind::inconsistent_list, where + " has " + std::to_string(id) + " twice in the list " + printable(key));
      }
    }
    Order& order = orders_[key];
    const std::size_t common = std::min(order.ids.size(), ids.size());
    if (!std::equal(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(common), order.ids.begin())) {
      report(Kind::inconsistent_list, "the list " + printable(key) + " was " + show(ids) + " (" + where + ") and " +
                                          show(order.ids) + " (" + order.where + "): an update was lost");
      return;
    }
    if (ids.size() > order.ids.size() || order.where.empty()) {
      order.ids = ids;
      order.where = where;
    }
  }

  void gather_orders() {
    for (const Transaction& transaction : history_) {
      const std::string id = std::to_string(transaction.id);
      for (const ListRead& list : transaction.lists) {
        observe(list.key, list.ids, "a read of transaction " + id);
        const bool appended =
            std::find(transaction.appends.begin(), transaction.appends.end(), list.key) != transaction.appends.end();
        if (!appended || transaction.outcome != Outcome::committed) continue;
        std::vector<std::uint64_t> written = list.ids;
        written.push_back(transaction.id);
        observe(list.key, written, "the append of transaction " + id);
      }
    }
    if (!final_.has_value()) return;
    for (const auto& [key, appenders] : appenders_) {
      const auto record = final_->records.find(key);
      const std::vector<std::uint64_t> ids =
          record == final_->records.end() ? std::vector<std::uint64_t>() : list_ids(record->second.value);
      observe(key, ids, "the final state");
      const std::unordered_set<std::uint64_t> there(ids.begin(), ids.end());
      for (const std::uint64_t id : appenders) {
        const Transaction& transaction = history_[by_id_[id]];
        if (transaction.outcome == Outcome::committed && there.count(id) == 0) {
          report(Kind::missing, "transaction " + std::to_string(id) + " was acknowledged, and is not in the list " +
                                    printable(key) + " at the end");
        }
      }
    }
  }

  // Those of unknown outcome are there if anybody saw one of their ids; then they must be in all their lists.
  void find_present() {
    present_.assign(history_.size(), false);
    for (std::size_t i = 0; i < history_.size(); ++i) present_[i] = history_[i].outcome == Outcome::committed;
    for (const auto& [key, order] : orders_) {
      for (const std::uint64_t id : order.ids) present_[by_id_[id]] = true;
    }
    if (!final_.has_value()) return;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (!present_[i] || history_[i].outcome != Outcome::unknown) continue;
      for (const std::string& key : history_[i].appends) {
        const std::vector<std::uint64_t>& ids = orders_[key].ids;
        if (std::find(ids.begin(), ids.end(), history_[i].id) == ids.end()) {
          report(Kind::torn, "transaction " + std::to_string(history_[i].id) +
                                 " is in one of its lists, and not in the list " + printable(key));
        }
      }
    }
  }

  void add_edge(std::size_t from, std::size_t to, Why why, const std::string* key) {
    if (from != to) edges_[from].push_back({to, why, key});
  }

  void add_edges() {
    edges_.assign(history_.size(), {});
    for (const auto& [key, order] : orders_) {
      for (std::size_t i = 1; i < order.ids.size(); ++i) {
        add_edge(by_id_[order.ids[i - 1]], by_id_[order.ids[i]], Why::write_write, &key);
      }
    }
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (!present_[i]) continue;
      for (const ListRead& list : history_[i].lists) {
        const auto order = orders_.find(list.key);
        const std::vector<std::uint64_t>& ids = order->second.ids;
        if (!list.ids.empty()) add_edge(by_id_[list.ids.back()], i, Why::write_read, &order->first);
        if (list.ids.size() < ids.size()) add_edge(i, by_id_[ids[list.ids.size()]], Why::read_write, &order->first);
      }
    }
  }

  // Instead of an edge for each pair, a chain of moments: a transaction leads to the moment of its return, a moment to
  // the next, and the last moment before an invocation to the one invoked.
  void add_real_time() {
    std::vector<std::size_t> returned;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (present_[i] && history_[i].returned != kNeverReturned) returned.push_back(i);
    }
    std::stable_sort(returned.begin(), returned.end(),
                     [&](std::size_t a, std::size_t b) { return history_[a].returned < history_[b].returned; });
    const std::size_t moments = edges_.size();
    edges_.resize(moments + returned.size());
    for (std::size_t i = 0; i < returned.size(); ++i) {
      edges_[returned[i]].push_back({moments + i, Why::real_time, nullptr});
      if (i + 1 < returned.size()) edges_[moments + i].push_back({moments + i + 1, Why::real_time, nullptr});
    }
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (!present_[i]) continue;
      const auto first =
          std::lower_bound(returned.begin(), returned.end(), history_[i].invoked,
                           [&](std::size_t other, std::int64_t invoked) { return history_[other].returned < invoked; });
      if (first == returned.begin()) continue;
      const auto moment = moments + static_cast<std::size_t>(first - returned.begin()) - 1;
      edges_[moment].push_back({i, Why::real_time, nullptr});
    }
  }

  // Tarjan's strongly connected components, without recursion.
  void find_cycles() {
    constexpr std::size_t kUnseen = ~std::size_t{0};
    const std::size_t count = edges_.size();
    std::vector<std::size_t> index(count, kUnseen);
    std::vector<std::size_t> low(count);
    std::vector<std::size_t> component(count, kUnseen);
    std::vector<std::size_t> stack;
    std::size_t next_index = 0;
    std::size_t next_component = 0;
    struct Frame {
      std::size_t node;
      std::size_t edge;
    };
    for (std::size_t start = 0; start < count; ++start) {
      if (index[start] != kUnseen) continue;
      std::vector<Frame> frames{{start, 0}};
      while (!frames.empty()) {
        const std::size_t node = frames.back().node;
        if (frames.back().edge == 0) {
          index[node] = low[node] = next_index++;
          stack.push_back(node);
        }
        if (frames.back().edge < edges_[node].size()) {
          const std::size_t to = edges_[node][frames.back().edge++].to;
          if (index[to] == kUnseen) {
            frames.push_back({to, 0});
          } else if (component[to] == kUnseen) {
            low[node] = std::min(low[node], index[to]);
          }
          continue;
        }
        frames.pop_back();
        if (!frames.empty()) low[frames.back().node] = std::min(low[frames.back().node], low[node]);
        if (low[node] != index[node]) continue;
        std::vector<std::size_t> members;
        std::size_t member = kUnseen;
        do {
          member = stack.back();
          stack.pop_back();
          component[member] = next_component;
          members.push_back(member);
        } while (member != node);
        if (members.size() > 1) explain_cycle(members, component, next_component);
        ++next_component;
      }
    }
  }

  // The shortest cycle through a transaction of the component, in words.
  void explain_cycle(const std::vector<std::size_t>& members, const std::vector<std::size_t>& component,
                     std::size_t wanted) {
    std::vector<std::pair<std::size_t, const Edge*>> best;
    int tried = 0;
    for (const std::size_t start : members) {
      if (start >= history_.size() || ++tried > 50) continue;
      std::unordered_map<std::size_t, std::pair<std::size_t, const Edge*>> came_by;
      std::deque<std::size_t> queue{start};
      bool closed = false;
      while (!queue.empty() && !closed) {
        const std::size_t node = queue.front();
        queue.pop_front();
        for (const Edge& edge : edges_[node]) {
          if (component[edge.to] != wanted || came_by.count(edge.to) != 0) continue;
          came_by[edge.to] = {node, &edge};
          if (edge.to == start) {
            closed = true;
            break;
          }
          queue.push_back(edge.to);
        }
      }
      if (!closed) continue;
      std::vector<std::pair<std::size_t, const Edge*>> cycle;
      std::size_t node = start;
      do {
        cycle.push_back(came_by[node]);
        node = came_by[node].first;
      } while (node != start);
      std::reverse(cycle.begin(), cycle.end());
      if (best.empty() || cycle.size() < best.size()) best = std::move(cycle);
    }
    if (best.empty()) return;

    int read_writes = 0;
    bool reads = false;
    bool real_time = false;
    std::string steps;
    for (const auto& [from, edge] : best) {
      read_writes += edge->why == Why::read_write ? 1 : 0;
      reads |= edge->why == Why::write_read;
      real_time |= edge->why == Why::real_time;
      if (from < history_.size())
        steps += (steps.empty() ? "" : "; ") + ("transaction " + std::to_string(history_[from].id));
      switch (edge->why) {
        case Why::write_write:
          steps += " appended to " + printable(*edge->key) + " just before " + std::to_string(history_[edge->to].id);
          break;
        case Why::write_read:
          steps += " appended to " + printable(*edge->key) + " what " + std::to_string(history_[edge->to].id) + " read";
          break;
        case Why::read_write:
          steps += " read " + printable(*edge->key) + " without the append of " + std::to_string(history_[edge->to].id);
          break;
        case Why::real_time:
          if (edge->to < history_.size()) {
            steps += " returned before " + std::to_string(history_[edge->to].id) + " was invoked";
          }
          break;
      }
    }
    std::string kind = read_writes > 1 ? "G2" : read_writes == 1 ? "G-single" : reads ? "G1c" : "G0";
    if (real_time) kind += ", with real time";
    report(Kind::cycle, kind + ": " + steps);
  }

  struct Order {
    std::vector<std::uint64_t> ids;
    std::string where;
  };
  const std::vector<Transaction>& history_;
  const std::optional<FinalState>& final_;
  std::unordered_map<std::uint64_t, std::size_t> by_id_;
  std::map<std::string, std::set<std::uint64_t>> appenders_;
  std::map<std::string, Order> orders_;
  std::vector<bool> present_;
  std::vector<std::vector<Edge>> edges_;  // of transactions, then of moments
  std::vector<Violation> violations_;
};

}  // namespace

std::vector<Violation> check_lists(const std::vector<Transaction>& history,
                                   const std::optional<FinalState>& final_state) {
  return Lists(history, final_state).run();
}

std::string list_value(const std::vector<std::uint64_t>& ids) {
  std::string value;
  for (const std::uint64_t id : ids) {
    for (int i = 0; i < 8; ++i) value.push_back(static_cast<char>(id >> (8 * i)));
  }
  return value;
}

std::vector<std::uint64_t> list_ids(std::string_view value) {
  std::vector<std::uint64_t> ids;
  for (std::size_t at = 0; at + 8 <= value.size(); at += 8) {
    std::uint64_t id = 0;
    for (std::size_t i = 8; i-- > 0;) id = id << 8 | static_cast<unsigned char>(value[at + i]);
    ids.push_back(id);
  }
  return ids;
}

}  // namespace ingot::history
