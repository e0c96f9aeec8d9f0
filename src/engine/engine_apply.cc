// How a process follows the log: entries into memtables, edits into States. All of it under commit_mutex_.
#include <algorithm>

#include "base/bytes.h"
#include "base/testing.h"
#include "engine/engine.h"
#include "engine/maintenance.h"
#include "engine/newer_release.h"

namespace ingot::engine {

void Engine::catch_up() {
  if (closed_.load(std::memory_order_acquire)) require_open();
  const log::Read outcome = log().read([this](const log::Entry& entry) { apply(entry); });
  if (broken_down_) require_open();
  switch (outcome) {
    case log::Read::caught_up:
      return settle_undecided();
    case log::Read::gone:
      base::probe("engine: fell behind the log and reloaded from a checkpoint");
      reload_from_checkpoint();
      return;
    case log::Read::corrupt:
      throw Error(ErrorCode::corrupt, where_ + ": the log is damaged: " + log().why());
    case log::Read::unavailable:
      if (is_of_newer_release(log().why())) throw newer_release(where_, log().why());
      throw Error(ErrorCode::unavailable, where_ + ": the log can't be read now: " + log().why());
  }
}

// The log goes on behind an entry whether or not it was applied: so it is applied in full, or nothing goes on.
void Engine::apply(const log::Entry& entry) {
  if (broken_down_.load(std::memory_order_relaxed)) return;
  try {
    apply_entry(entry);
  } catch (...) {
    break_down_half_way("an entry of the log could not be applied");
  }
}

void Engine::apply_entry(const log::Entry& entry) {
  if (entry.segment > state_owner_->active->segment()) cut_memtable(entry.segment);
  if (entry.kind == log::EntryKind::edit) {
    const std::optional<Edit> edit = decode_edit(entry.payload);
    if (!edit) {
      return break_down("an edit in segment " + std::to_string(entry.segment) +
                        (is_newer_edit(entry.payload) ? " was written by a newer release" : " can't be understood"));
    }
    apply_edit(*edit);
  } else {
    base::ByteReader reader(entry.payload);
    std::uint8_t format = 0;
    if (!reader.take_little(format) || format != kPayloadFormat) {
      return break_down(
          "the entry of version " + std::to_string(entry.base_version) +
          (format > kPayloadFormat ? " was written by a newer release, in payload format " : " has payload format ") +
          std::to_string(format));
    }
    for (std::uint32_t i = 0; i < entry.transaction_count; ++i) {
      std::uint32_t bytes = 0;
      std::string_view mutations;
      if (!reader.take_little(bytes) || !reader.take_bytes(bytes, mutations)) {
        return break_down("the entry of version " + std::to_string(entry.base_version) + " ends too early");
      }
      apply_mutations(mutations, entry.base_version + i, entry.time_micros);
    }
    const SessionRow row{entry.session, entry.sequence, entry.base_version, entry.transaction_count};
    note_session(row, entry.time_micros);
    note_kept(row);
    show(entry.base_version + entry.transaction_count - 1, entry.time_micros);
  }
}

void Engine::note_session(const SessionRow& row, std::int64_t time_micros) {
  if (row.session == base::Hash128{}) return;
  state_owner_->active->put(session_key(row.session), row.base_version + row.transactions - 1,
                            time_micros + kSessionRowMicros, encode_session(row));
}

// An entry of the log: perhaps one whose caller gave up waiting for it.
void Engine::note_kept(const SessionRow& row) {
  if (!remote_) return;
  const std::lock_guard lock(undecided_mutex_);
  for (Attempted& attempted : undecided_) {
    if (attempted.decided || row.session != attempted.session || row.sequence != attempted.sequence) continue;
    attempted.decided = true;
    attempted.base_version = row.base_version;
  }
}

// The log has gone on: what was sent for a slot that is another's by now never was.
void Engine::settle_undecided() {
  if (!remote_) return;
  const std::uint64_t slot = log().position().slot;
  const std::lock_guard lock(undecided_mutex_);
  for (Attempted& attempted : undecided_) attempted.decided |= attempted.slot <= slot;
}

void Engine::show(Version version, std::int64_t time_micros) {
  if (reloading_from_ != nullptr) return;
  visible_time_.store(time_micros, std::memory_order_relaxed);
  visible_version_.store(version, std::memory_order_release);
  if (visible_waiters_.load(std::memory_order_seq_cst) != 0) {
    visible_word_.value().fetch_add(1, std::memory_order_release);
    visible_word_.wake_all();
  }
}

void Engine::apply_mutations(std::string_view mutations, Version version, std::int64_t time_micros) {
  Memtable& memtable = *state_owner_->active;
  base::ByteReader reader(mutations);
  Mutation mutation;
  while (!reader.empty()) {
    if (!take_mutation(reader, mutation))
      return break_down("version " + std::to_string(version) + " has a malformed mutation");
    switch (mutation.kind) {
      case MutationKind::put:
      case MutationKind::put_expiring:
        memtable.put(mutation.key, version, mutation.expires_micros, mutation.value);
        break;
      case MutationKind::erase:
        memtable.erase(mutation.key, version);
        break;
      case MutationKind::erase_range:
        memtable.erase_range(mutation.key, mutation.value, version);
        break;
      case MutationKind::add:
        memtable.add(mutation.key, version, time_micros, mutation.delta);
        break;
    }
  }
}

void Engine::cut_memtable(std::uint64_t segment) {
  std::shared_ptr<State> next = state_owner_->copy(state_owner_->edit_number);
  if (!next->active->empty()) next->sealed.insert(next->sealed.begin(), next->active);
  next->active = std::make_shared<Memtable>(segment);
  publish_state(std::move(next));
  if (maintenance_ != nullptr) maintenance_->notify();
}

void Engine::publish_state(std::shared_ptr<State> next) {
  std::shared_ptr<State> old = std::move(state_owner_);
  state_owner_ = std::move(next);
  if (reloading_from_ != nullptr) return;
  state_.store(state_owner_.get(), std::memory_order_seq_cst);
  if (old != nullptr) epochs_.retire([old]() mutable { old.reset(); });
}

void Engine::apply_edit(const Edit& edit) {
  // One of them may be lost. The checkpoint's runs and all commits since are the same, and still there: without a later
  // checkpoint neither is given up.
  if (options_.salvage) return;
  const State& before = *state_owner_;
  if (edit.number <= before.edit_number) return;  // the checkpoint that we began with has it
  if (edit.number != before.edit_number + 1) {
    return break_down("edit " + std::to_string(edit.number) + " follows edit " + std::to_string(before.edit_number));
  }
  std::shared_ptr<State> next = before.copy(edit.number);
  std::size_t place = 0;
  if (!edit.removed.empty()) {
    const auto first = std::find_if(next->sorted_runs.begin(), next->sorted_runs.end(),
                                    [&](const SortedRun& sorted) { return sorted.id == edit.removed.front(); });
    place = static_cast<std::size_t>(first - next->sorted_runs.begin());
    if (edit.removed.size() > next->sorted_runs.size() - place) {
      return break_down("edit " + std::to_string(edit.number) + " removes runs that are not there");
    }
    for (std::size_t i = 0; i < edit.removed.size(); ++i) {
      if (next->sorted_runs[place + i].id != edit.removed[i]) {
        return break_down("edit " + std::to_string(edit.number) + " removes runs that are not neighbours");
      }
    }
    if (maintenance_ != nullptr) {
      for (std::size_t i = 0; i < edit.removed.size(); ++i)
        maintenance_->note_garbage(edit.number, next->sorted_runs[place + i]);
    }
    const std::uint64_t collected = remote_ ? medium_->collected_edit() : 0;
    while (!graveyard_.empty() && graveyard_.front().edit_number <= collected) {
      base::probe("engine: what others had collected was forgotten");
      graveyard_.pop_front();
    }
    for (std::size_t i = 0; remote_ && i < edit.removed.size(); ++i) {
      for (const auto& file : next->sorted_runs[place + i].files)
        graveyard_.push_back({edit.number, file->summary().name});
    }
    next->sorted_runs.erase(next->sorted_runs.begin() + static_cast<std::ptrdiff_t>(place),
                            next->sorted_runs.begin() + static_cast<std::ptrdiff_t>(place + edit.removed.size()));
  }
  if (!edit.added.empty()) {
    SortedRun sorted;
    sorted.id = edit.added_id;
    for (const runs::RunSummary& summary : edit.added) {
      const auto ours = open_runs_.find(summary.name);
      sorted.files.push_back(ours != open_runs_.end() ? ours->second : open_run(summary));
    }
    next->sorted_runs.insert(next->sorted_runs.begin() + static_cast<std::ptrdiff_t>(place), std::move(sorted));
  }
  if (edit.flushed_segment != 0) {
    std::erase_if(next->sealed, [&](const auto& memtable) { return memtable->segment() <= edit.flushed_segment; });
    next->flushed_segment = edit.flushed_segment;
    next->floor = edit.floor;
    next->floor_time_micros = edit.floor_time_micros;
  }
  next->note_erasures();
  publish_state(std::move(next));
  if (maintenance_ != nullptr) maintenance_->notify();
}

void Engine::break_down(const std::string& what) {
  {
    const std::lock_guard lock(figures_mutex_);
    if (broken_why_.empty()) broken_why_ = what;
  }
  broken_down_.store(true, std::memory_order_release);
  message(Message::Severity::warning, where_ + ": stopped, because " + what);
}

void Engine::break_down_half_way(const char* what) noexcept {
  broken_down_.store(true, std::memory_order_release);
  try {
    std::string why = what;
    try {
      throw;
    } catch (const std::exception& error) {
      why.append(": ").append(error.what());
    } catch (...) {
      why.append(": an unknown exception");
    }
    break_down(why);
  } catch (...) {  // NOLINT(bugprone-empty-catch): there is no memory for the sentence either
  }
}

}  // namespace ingot::engine
