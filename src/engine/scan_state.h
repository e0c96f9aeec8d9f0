// A scan under way: the snapshot's records, with the transaction's own writes laid over them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/merged_view.h"
#include "engine/transaction_state.h"

namespace ingot::engine {

class ScanState {
 public:
  Engine* engine = nullptr;
  TransactionState* transaction = nullptr;  // null: a plain scan
  bool recorded = false;                    // what is passed over goes into the transaction's read set
  bool reverse = false;
  std::size_t prefix_bytes = 0;  // of the space, cut off the keys shown
  std::size_t left = 0;          // records still to show
  std::string begin;
  std::string end;
  std::unique_ptr<MergedView> view;

  // Goes on. False at the end.
  bool next();

  std::string_view key;  // internal
  std::string_view value;
  Version version = 0;
  std::int64_t expires_micros = 0;

 private:
  bool next_plain();
  bool next_overlaid();
  void move_view();
  void record();
  bool finish();
  void show_view();
  void show_own(const std::pair<const std::string, OwnWrite>& own, bool on_view);

  bool started_ = false;
  bool finished_ = false;
  bool view_valid_ = false;
  bool view_shown_ = false;  // the view's record was shown or passed: move before looking again
  std::string passed_;       // the key up to which (included) own writes were passed
  bool passed_any_ = false;
  std::string own_key_;  // the bytes that `key` and `value` view, for own writes
  std::string own_value_;
  std::int64_t read_expires_ = 0;  // of what was read below the own writes; they are no reads
  std::shared_ptr<ReadSet::Range> range_;
};

}  // namespace ingot::engine
