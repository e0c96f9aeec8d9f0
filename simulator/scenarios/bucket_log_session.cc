#include "bucket_log_session.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/bytes.h"
#include "base/testing.h"

namespace ingot::simulator {

using namespace std::chrono_literals;

namespace {

constexpr base::Duration kEnough = 30min;  // for anything, when nothing stands in its way

base::Duration draw_magnitude(base::Random& random, base::Duration low, int doublings) {
  const std::uint64_t steps = random.below(static_cast<std::uint64_t>(doublings) + 1);
  return low * (std::int64_t{1} << steps);
}

}  // namespace

std::string BucketState::encode(const log::Start& start, std::size_t count) const {
  std::string bytes;
  base::append_little(bytes, start.segment);
  base::append_little(bytes, start.version);
  base::append_little(bytes, start.link.low);
  base::append_little(bytes, start.link.high);
  base::append_little(bytes, static_cast<std::uint64_t>(start.time_micros));
  base::append_little(bytes, static_cast<std::uint64_t>(count));
  for (std::size_t i = 0; i < count; ++i) base::append_little(bytes, applied[i]);
  base::append_little(bytes, static_cast<std::uint64_t>(rows.size()));
  for (const auto& [session, sequence] : rows) {
    base::append_little(bytes, session.first);
    base::append_little(bytes, session.second);
    base::append_little(bytes, sequence);
  }
  return bytes;
}

bool BucketState::decode(std::string_view bytes, BucketState& state, log::Start& start) {
  base::ByteReader reader(bytes);
  std::uint64_t time = 0;
  std::uint64_t count = 0;
  if (!reader.take_little(start.segment) || !reader.take_little(start.version) || !reader.take_little(start.link.low) ||
      !reader.take_little(start.link.high) || !reader.take_little(time) || !reader.take_little(count)) {
    return false;
  }
  start.time_micros = static_cast<std::int64_t>(time);
  for (; count > 0; --count) {
    std::uint64_t attempt = 0;
    if (!reader.take_little(attempt)) return false;
    state.applied.push_back(attempt);
  }
  if (!reader.take_little(count)) return false;
  for (; count > 0; --count) {
    std::pair<std::uint64_t, std::uint64_t> session;
    std::uint64_t sequence = 0;
    if (!reader.take_little(session.first) || !reader.take_little(session.second) || !reader.take_little(sequence)) {
      return false;
    }
    state.rows[session] = sequence;
  }
  return reader.empty();
}

bool BucketLogSession::wait_or_stop(base::Duration duration) {
  Lock lock(stop_mutex_);
  const base::Instant until = base::deadline_after(base::now(), duration);
  while (!stop_ && base::now() < until) (void)stopped_.wait_until(lock, until);
  return stop_;
}

std::shared_ptr<log::BucketLog> BucketLogSession::log() {
  const Lock lock(owner_);
  return log_;
}

void BucketLogSession::run() {
  {
    const Lock lock(owner_);
    if (!open(patience(random_) + 30s)) {
      outcome("open: gave up");
      return;
    }
  }
  std::vector<base::Thread> helpers;
  if (plan_.waits != 0) helpers.emplace_back("follower", [this] { follow(); });
  if (plan_.collects && !plan_.read_only) helpers.emplace_back("collector", [this] { collect(); });
  bool is_alive = true;
  for (std::uint64_t i = 0; i < plan_.steps && is_alive; ++i) {
    step();
    is_alive = log() != nullptr;
  }
  if (plan_.lingers) linger();
  {
    const Lock lock(stop_mutex_);
    stop_ = true;
    stopped_.notify_all();
  }
  helpers.clear();
  const Lock lock(owner_);
  if (log_ != nullptr && plan_.closes) log_->close();
  log_.reset();
  ++shared_.finished;
}

base::Duration BucketLogSession::patience(base::Random& random) {
  static constexpr std::array<base::Duration, 5> kPatience = {50ms, 1s, 10s, 30s, 10min};
  return must_succeed() ? kEnough : kPatience[random.below(kPatience.size())];
}

// Opening.

log::Sink BucketLogSession::sink(BucketState& state, BucketLogHistory::View& view) {
  return [this, &state, &view](const log::Entry& entry) {
    if (segments_.empty() || segments_.rbegin()->first < entry.segment) {
      segments_[entry.segment] = {state.applied.size(), {.applied = {}, .rows = state.rows}};
    }
    const std::uint64_t attempt = history().observe(view, entry);
    state.applied.push_back(attempt);
    state.rows[{entry.session.low, entry.session.high}] = entry.sequence;
    const auto open =
        std::find_if(open_.begin(), open_.end(), [&](const Open& each) { return each.attempt == attempt; });
    if (open == open_.end()) return;
    outcome("undecided: was kept");
    history().resolved(attempt, true);
    open_.erase(open);
  };
}

bool BucketLogSession::open(base::Duration patience) {
  const bool must = must_succeed() && patience >= kEnough;
  const base::Instant deadline = base::now() + patience;
  base::Duration pause = 100ms;
  for (;;) {
    const Opened opened = open_once(deadline);
    if (opened == Opened::opened) return true;
    if (base::now() + pause >= deadline) {
      if (must) fail("it can't be opened, and nothing stands in the way");
      return false;
    }
    base::sleep_for(pause);
    pause = std::min<base::Duration>(2 * pause, 1min);
  }
}

BucketLogSession::Opened BucketLogSession::open_once(base::Instant deadline) {
  const std::uint64_t floor = history().entries();
  log::BucketOpening opening = log::open_bucket(world().bucket, pool_, {}, deadline);
  if (opening.outcome == log::BucketOpening::Outcome::corrupt) fail("an opening says corrupt: " + opening.why);
  if (opening.outcome == log::BucketOpening::Outcome::no_store) fail("an opening finds no store");
  if (opening.outcome != log::BucketOpening::Outcome::opened) {
    outcome("open: unavailable");
    if (opening.why.empty()) fail("an opening does not say why");
    return Opened::failed;
  }
  BucketState state;
  log::BucketLogOptions options;
  if (opening.checkpoint.has_value()) {
    if (!BucketState::decode(opening.checkpoint_bytes, state, options.start)) fail("a checkpoint can't be read");
    if (options.start.segment != opening.checkpoint->start) fail("a checkpoint has another start than its name");
    history().check_applied(state.applied);
    outcome("open: from a checkpoint");
  }
  if (!opening.tail.empty()) outcome("open: with a tail");
  BucketLogHistory::View view{
      .index = state.applied.size(), .version = options.start.version, .time_micros = options.start.time_micros};
  options.read_only = plan_.read_only;
  options.store_id = kBucketStoreId;
  options.opening = std::move(opening);
  options.grace = kBucketGrace;
  options.segment_bytes = shared_.segment_bytes;
  options.segment_slots = shared_.segment_slots;
  options.slot_bytes_max = shared_.slot_bytes_max;
  log::Read read = log::Read::caught_up;
  std::string why;
  log_.reset();
  segments_.clear();
  std::unique_ptr<log::BucketLog> log =
      log::open_bucket_log(world().bucket, pool_, std::move(options), sink(state, view), deadline, read, why);
  if (log == nullptr) {
    outcome(read == log::Read::gone ? "open: gone" : "open: unavailable");
    if (read == log::Read::corrupt) fail("an opening of the log says corrupt: " + why);
    if (why.empty()) fail("an opening of the log does not say why");
    return read == log::Read::gone ? Opened::again : Opened::failed;
  }
  outcome("open: done");
  history().caught_up(view, floor, "an opening");
  state_ = std::move(state);
  view_ = view;
  log_ = std::move(log);
  settle_open();
  return Opened::opened;
}

// The boundary has passed this handle.
bool BucketLogSession::reopen() {
  outcome("reopened from a checkpoint");
  if (log_ != nullptr) log_->close();
  log_.reset();
  if (open(patience(random_))) return true;
  outcome("reopen: gave up");
  return false;
}

// Which of our attempts have been decided, now that the log has moved on. Those in the replay are resolved; what a
// checkpoint has swallowed is told by its session's row.
void BucketLogSession::settle_open() {
  if (log_ == nullptr) return;
  std::erase_if(open_, [&](const Open& open) {
    if (log_->slot() < open.slot) return false;  // it may still come
    const auto row = state_.rows.find({open.as.session.low, open.as.session.high});
    const bool was_kept = row != state_.rows.end() && row->second == open.as.sequence &&
                          !base::broken(base::Break::bucket_ignore_session_row);
    outcome(was_kept ? "undecided: a session's row says kept" : "undecided: was not kept");
    history().resolved(open.attempt, was_kept);
    return true;
  });
}

// False: this life is over.
bool BucketLogSession::read() {
  if (log_ == nullptr) return false;
  const log::Read read = log_->read(sink(state_, view_));
  settle_open();
  switch (read) {
    case log::Read::caught_up:
      return true;
    case log::Read::gone:
      outcome("read: gone");
      return reopen();
    case log::Read::corrupt:
      fail("a read says corrupt: " + log_->why());
    case log::Read::unavailable:
      fail("a read says unavailable");
  }
  return false;
}

// What it does.

void BucketLogSession::step() {
  const std::uint64_t roll = random_.below(100);
  if (random_.below(100) < plan_.sleep_percent) {
    base::sleep_for(draw_magnitude(random_, 1min, 11));  // to a day and a half
  } else if (random_.below(3) == 0) {
    base::sleep_for(draw_magnitude(random_, 1ms, 12));
  }
  if (roll < plan_.append_percent && !plan_.read_only) {
    const Lock lock(owner_);
    (void)append(patience(random_));
  } else if (roll < plan_.append_percent + plan_.checkpoint_percent && !plan_.read_only) {
    write_checkpoint();
  } else if (roll % 3 == 0) {
    ask();
  } else {
    look();
  }
}

bool BucketLogSession::append(base::Duration patience) {
  if (log_ == nullptr) return false;
  const bool must = must_succeed() && patience >= kEnough;
  const base::Instant deadline = base::now() + patience;
  if (random_.below(3) == 0) (void)log_->prepare(deadline);
  if (random_.below(4) == 0 && !read()) return false;
  constexpr int kTries = 40;
  for (int tries = 0; tries < kTries; ++tries) {
    if (log_ == nullptr) return false;
    BucketLogHistory::Draft draft;
    draft.kind = random_.below(8) == 0 ? log::EntryKind::edit : log::EntryKind::commit;
    draft.transactions = draft.kind == log::EntryKind::edit ? 0 : static_cast<std::uint32_t>(1 + random_.below(3));
    draft.payload_bytes = BucketLogHistory::kPayloadBytesMin + random_.below(100);
    if (random_.below(100) < plan_.large_percent) draft.payload_bytes += random_.below(2000);
    const std::uint64_t attempt = history().begin_append(view_, draft);
    const std::string payload = history().payload(attempt);
    const std::size_t cut = random_.below(payload.size() + 1);
    const std::string_view parts[] = {std::string_view(payload).substr(0, cut), std::string_view(payload).substr(cut)};
    log::Draft to_write;
    to_write.kind = draft.kind;
    to_write.transaction_count = draft.transactions;
    const std::int64_t clock = log_->clock_micros();
    history().clock(clock);
    to_write.time_micros = std::max(clock, log_->position().time_micros);
    to_write.parts = parts;
    to_write.new_segment = random_.below(100) < plan_.new_segment_percent;
    ++world().report.operations;
    const std::uint64_t slot = log_->slot() + 1;
    const log::Append appended = log_->append(to_write, base::now() + patience);
    const log::Log::Attempt as = log_->attempt();
    switch (appended) {
      case log::Append::kept: {
        outcome("append: kept");
        history().sent_as(attempt, as);
        const log::Position position = log_->position();
        if (segments_.empty() || segments_.rbegin()->first < position.segment) {
          segments_[position.segment] = {state_.applied.size(), {.applied = {}, .rows = state_.rows}};
        }
        history().kept(view_, attempt, position);
        state_.applied.push_back(attempt);
        state_.rows[{as.session.low, as.session.high}] = as.sequence;
        settle_open();
        return true;
      }
      case log::Append::lost:
        outcome("append: lost");
        history().refused(attempt);
        if (!read()) return false;
        continue;
      case log::Append::unavailable:
        outcome("append: unavailable");
        history().refused(attempt);
        if (log_->why().empty()) fail("an append is unavailable and does not say why");
        if (must) fail("an append waited in vain: " + log_->why());
        return true;
      case log::Append::undecided:
        outcome("append: undecided");
        history().sent_as(attempt, as);
        open_.push_back({attempt, as, slot});
        if (log_->why().empty()) fail("an append is undecided and does not say why");
        if (must) fail("an append was not decided in time: " + log_->why());
        if (random_.below(3) == 0) {
          const log::Read settled = log_->settle(base::now() + patience);
          if (settled == log::Read::caught_up) {
            outcome("settled");
            if (!read()) return false;
            if (!open_.empty()) fail("settled, and an attempt is still open");
          } else if (settled != log::Read::unavailable) {
            return read();
          }
        }
        return true;
      case log::Append::collected:
        outcome("append: collected");
        history().sent_as(attempt, as);
        open_.push_back({attempt, as, slot});
        if (!read()) return false;
        continue;
      case log::Append::no_room:
        fail("an append says that there is no room");
    }
  }
  outcome("append: gave up after many losses");
  return true;
}

void BucketLogSession::look() {
  const std::shared_ptr<log::BucketLog> log = this->log();
  if (log == nullptr) return;
  const std::uint64_t floor = history().entries();
  const base::Duration patience = this->patience(random_);
  const bool must = must_succeed() && patience >= kEnough;
  const log::Read looked = log->look(base::now() + patience);
  if (looked == log::Read::corrupt) fail("a look says corrupt: " + log->why());
  if (looked == log::Read::unavailable) {
    outcome("look: unavailable");
    if (must) fail("a look waited in vain: " + log->why());
  }
  const Lock lock(owner_);
  if (log != log_ || !read() || looked != log::Read::caught_up) return;
  outcome("look: caught up");
  history().caught_up(view_, floor, "a look");
}

void BucketLogSession::ask() {
  const std::shared_ptr<log::BucketLog> log = this->log();
  if (log == nullptr) return;
  const log::Version version = log->published();
  if (version == log::Log::kMustLook) {
    outcome("published: must look");
    look();
    return;
  }
  history().published(version);
  history().clock(log->clock_micros());
  (void)log->problem();
  (void)log->stats();
  (void)log->bulk_named();
  (void)log->durable();
  (void)log->leads();
  if (random_.below(4) == 0) (void)log->confirm(base::now() + patience(random_));
}

void BucketLogSession::follow() {
  base::Random random(base::random_u64());
  for (std::uint64_t i = 0; i < plan_.waits; ++i) {
    const std::shared_ptr<log::BucketLog> log = this->log();
    if (log == nullptr || wait_or_stop(draw_magnitude(random, 1ms, 10))) return;
    const log::Version version = log->durable();
    const base::Instant deadline = base::now() + draw_magnitude(random, 100ms, 9);
    const log::Version seen = log->wait(version, deadline);
    const bool is_early = seen <= version && base::now() < deadline;
    if (is_early && log == this->log()) fail("wait returned early and with nothing");
    outcome(seen > version ? "wait: news" : "wait: deadline");
    const Lock lock(owner_);
    if (log == log_ && !read()) return;
  }
}

// As an engine does that has flushed all before a segment.
void BucketLogSession::write_checkpoint() {
  std::string bytes;
  log::CheckpointName name;
  std::shared_ptr<log::BucketLog> log;
  {
    const Lock lock(owner_);
    if (!read() || segments_.empty()) return;
    log = log_;
    // Mostly the newest.
    auto segment = std::prev(segments_.end());
    while (segment != segments_.begin() && random_.below(4) == 0) --segment;
    const std::optional<log::Start> start = log_->start_of(segment->first);
    if (!start.has_value()) return;
    BucketState state = segment->second.rows_only;
    state.applied.assign(state_.applied.begin(),
                         state_.applied.begin() + static_cast<std::ptrdiff_t>(segment->second.index));
    bytes = state.encode(*start, state.applied.size());
    name = {.start = start->segment,
            .boundary = log_->confirmation().number,
            .edit = state_.applied.size(),
            .random = base::random_u64()};
  }
  const std::string key = log::checkpoint_key(name);
  const storage::Answer answer =
      world().bucket.put(key, bytes, storage::PutMode::create, {}, base::now() + patience(random_));
  if (answer.outcome != storage::Outcome::done) {
    outcome("checkpoint: not written");
    return;
  }
  outcome("checkpoint: written");
  const Lock lock(owner_);
  log->release(name.start);
}

// Until all is calm; then it must go on.
void BucketLogSession::linger() {
  while (!shared_.calm) base::sleep_for(1h);
  const Lock lock(owner_);
  if (log_ == nullptr && !open(kEnough)) return;
  if (plan_.read_only) return;
  outcome("lingered");
  const std::uint64_t before = view_.index;
  if (!append(kEnough) || view_.index == before) fail("who lingered could not append when all was calm");
}

void run_bucket_log_process(BucketLogWorld& shared, const BucketLogPlan& plan) {
  if (plan.start_after > base::Duration::zero()) base::sleep_for(plan.start_after);
  BucketLogSession session(shared, plan);
  session.run();
}

}  // namespace ingot::simulator
