// The log scenario: several processes open one log on one disk, append to it from several threads, read it, wait for
// it, sync it, release its old segments, and close it; they are killed, stopped for a while, and lose their power, and
// the disk fails, fills, forgets and rots as the seed says. log_history.h says what must hold. At the end the disk is
// good again, and the log must open, hold everything it promised, and take more.
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "all.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/time.h"
#include "log/directory_log.h"
#include "log/live.h"
#include "log/segment_format.h"
#include "log_history.h"
#include "scenario.h"

namespace ingot::simulator {

namespace {

using namespace std::chrono_literals;
using View = LogHistory::View;

constexpr base::Hash128 kStoreId{0x1122334455667788, 0x99aabbccddeeff00};

// What one process does in its life. The host's.
struct Plan {
  base::Duration start_after{};
  std::uint64_t appenders = 1;
  std::uint64_t appends = 10;  // by each
  std::uint64_t durable_percent = 50;
  std::uint64_t large_percent = 5;
  std::uint64_t new_segment_percent = 0;
  bool waits = false;
  bool syncs = false;
  bool releases = false;
  bool checks = false;
  bool closes = true;
  bool must_succeed = false;  // nothing stands in its way: opening and appending must work
};

struct LogWorld {
  LogWorld(World& its_world, std::uint64_t its_segment_bytes)
      : world(its_world), history(its_world), segment_bytes(its_segment_bytes) {}
  World& world;
  LogHistory history;
  std::uint64_t segment_bytes;
  bool calm = true;                      // no faults, no pauses: nothing may be unavailable
  std::uint64_t sessions = 0;            // processes that have the log open
  std::uint64_t finished = 0;            // that ended of themselves
  std::uint64_t sync_errors_before = 0;  // this round
  [[nodiscard]] bool sync_failed() const { return world.report.counted(Fault::sync_error) != sync_errors_before; }
};

// One process's time with the log open. In the process's memory.
class LogSession {
 public:
  LogSession(LogWorld& shared, const Plan& plan, log::Live& live, log::Log& log, const View& view)
      : shared_(shared), plan_(plan), live_(live), log_(log), view_(view), random_(base::random_u64()) {}

  void run();

 private:
  LogHistory& history() { return shared_.history; }
  World& world() { return shared_.world; }
  [[noreturn]] void fail(const std::string& why) { world().scheduler.fail("log: " + why); }

  void append_some(std::uint64_t seed);
  bool append_one(base::Random& random);
  bool read();
  void look();
  void wait_for_news();
  void sync_some();
  void release_some();
  void check_all();
  log::Version ask_published();
  log::Sink sink();
  // Whether what we read last is still part of the log: a slow reader may find it collected, and opens anew.
  bool was_collected() {
    const LogHistory::Checkpoint& newest = history().checkpoint();
    return newest.start.segment > view_.from_segment && newest.index >= view_.index;
  }
  // An operation was refused: is there a reason?
  void refused(const char* what, base::Duration patience);

  LogWorld& shared_;
  const Plan& plan_;
  log::Live& live_;
  log::Log& log_;
  base::Mutex owner_;  // guards view_ and the owner's calls
  View view_;
  struct SegmentStart {
    std::uint64_t segment;
    std::uint64_t index;
  };
  std::vector<SegmentStart> segments_;  // that began while we read, under owner_
  std::atomic<bool> stop_ = false;      // the log can't go on for us, or we are done
  base::Random random_;
};

void LogSession::run() {
  std::vector<base::Thread> helpers;
  if (plan_.waits) helpers.emplace_back("waiter", [this] { wait_for_news(); });
  if (plan_.syncs) helpers.emplace_back("syncer", [this] { sync_some(); });
  if (plan_.releases) helpers.emplace_back("releaser", [this] { release_some(); });
  std::vector<base::Thread> appenders;
  for (std::uint64_t i = 0; i < plan_.appenders; ++i) {
    const std::uint64_t seed = random_.next();
    appenders.emplace_back("appender", [this, seed] { append_some(seed); });
  }
  for (base::Thread& appender : appenders) appender.join();
  stop_ = true;
  for (base::Thread& helper : helpers) helper.join();
  if (plan_.checks) check_all();
}

void LogSession::append_some(std::uint64_t seed) {
  base::Random random(seed);
  for (std::uint64_t i = 0; i < plan_.appends && !stop_; ++i) {
    if (random.below(4) == 0) base::sleep_for(base::Duration(random.below(2'000'000)));
    if (random.below(8) == 0) look();
    const std::lock_guard lock(owner_);
    if (random.below(6) == 0 && !read()) return;
    if (!append_one(random)) return;
  }
}

log::Sink LogSession::sink() {
  return [this](const log::Entry& entry) {
    if (segments_.empty() || segments_.back().segment < entry.segment)
      segments_.push_back({entry.segment, view_.index});
    history().observe(view_, entry);
  };
}

void LogSession::refused(const char* what, base::Duration patience) {
  const bool something_is_wrong = !plan_.must_succeed && (!shared_.calm || patience < 30s);
  if (log_.why().empty()) fail(std::string(what) + " is refused and does not say why");
  if (!something_is_wrong && !was_collected()) fail(std::string(what) + " waited in vain: " + log_.why());
}

// Returns false if this session is over.
bool LogSession::read() {
  const log::Version floor = history().published_floor();
  const log::Read outcome = log_.read(sink());
  switch (outcome) {
    case log::Read::caught_up:
      history().caught_up(view_, log_.position(), floor);
      return true;
    case log::Read::gone:
      world().report.outcome("read: gone");
      if (!was_collected() && !history().has_lost_unsynced()) fail("gone, and nobody released it: " + log_.why());
      stop_ = true;
      return false;
    case log::Read::corrupt:
      world().report.outcome("read: corrupt");
      if (!history().is_beyond_redundancy()) fail("a read says corrupt: " + log_.why());
      stop_ = true;
      return false;
    case log::Read::unavailable:
      world().report.outcome("read: unavailable");
      if (shared_.calm) fail("a read says unavailable, and nothing is wrong: " + log_.why());
      base::sleep_for(1ms);
      return true;
  }
  return false;
}

bool LogSession::append_one(base::Random& random) {
  static constexpr std::array<base::Duration, 4> kPatience = {1ms, 100ms, 30s, 30s};
  const base::Duration patience =
      plan_.must_succeed ? base::Duration(10min) : kPatience[random.below(kPatience.size())];
  if (random.below(3) == 0 && !log_.prepare(base::now() + patience)) {
    world().report.outcome("prepare: no");
    refused("prepare", patience);
  }
  if (random.below(20) == 0) return true;  // prepared, and thought better of it
  constexpr int kTries = 50;
  for (int tries = 0; tries < kTries && !stop_; ++tries) {
    LogHistory::Draft draft;
    draft.kind = random.below(8) == 0 ? log::EntryKind::edit : log::EntryKind::commit;
    draft.transactions = draft.kind == log::EntryKind::edit ? 0 : static_cast<std::uint32_t>(1 + random.below(3));
    draft.durable = random.below(100) < plan_.durable_percent;
    draft.payload_bytes = 40 + random.below(300);
    if (random.below(100) < plan_.large_percent) {
      draft.payload_bytes = 40 + random.below(random.below(40) == 0 ? 700'000 : 20'000);
    }
    draft.time_micros = std::max(base::wall_micros(), log_.position().time_micros);
    draft.attempt = history().begin_append(view_, draft);
    const std::string payload = LogHistory::payload(view_, draft);
    const std::size_t cut = random.below(payload.size() + 1);
    const std::string_view parts[] = {std::string_view(payload).substr(0, cut), std::string_view(payload).substr(cut)};
    const log::Draft to_write{.kind = draft.kind,
                              .transaction_count = draft.transactions,
                              .time_micros = draft.time_micros,
                              .parts = parts,
                              .new_segment = random.below(100) < plan_.new_segment_percent,
                              .durable = draft.durable};
    ++world().report.operations;
    const log::Append outcome = log_.append(to_write, base::now() + patience);
    if (outcome == log::Append::kept) {
      const log::Position position = log_.position();
      if (segments_.empty() || segments_.back().segment < position.segment) {
        segments_.push_back({position.segment, view_.index});
      }
      history().append_kept(view_, draft.attempt, position);
      world().report.outcome(draft.durable ? "append: kept, durable" : "append: kept");
      return true;
    }
    history().append_refused(draft.attempt);
    if (outcome == log::Append::no_room) {
      world().report.outcome("append: no room");
      base::sleep_for(std::chrono::milliseconds(1 + random.below(20)));
      return true;
    }
    if (outcome == log::Append::unavailable) {
      world().report.outcome("append: unavailable");
      refused("an append", patience);
      return true;
    }
    world().report.outcome("append: lost");
    if (!read()) return false;
  }
  if (!stop_) world().report.outcome("append: gave up after many losses");
  return true;
}

log::Version LogSession::ask_published() {
  const log::Version floor = history().published_floor();
  const log::Version version = log_.published();
  history().published(version, floor);
  return version;
}

// What any thread may ask at any time.
void LogSession::look() {
  ask_published();
  history().durable(log_.durable());
  (void)log_.problem();
  (void)log_.stats();
  live_.publish_pin(world().scheduler.current_process()->number());
  if (live_.oldest_pin() > world().scheduler.current_process()->number()) fail("the oldest pin is younger than ours");
  if (live_.handles() == 0) fail("there is no handle, not even ours");
}

void LogSession::wait_for_news() {
  while (!stop_) {
    const log::Version version = ask_published();
    const base::Instant deadline = base::now() + base::Duration(1'000'000 + random_.below(50'000'000));
    const log::Version floor = history().published_floor();
    const log::Version seen = log_.wait(version, deadline);
    history().published(seen, floor);
    if (seen <= version && base::now() < deadline) fail("wait returned early and with nothing");
    world().report.outcome(seen > version ? "wait: news" : "wait: deadline");
    const std::lock_guard lock(owner_);
    if (stop_ || !read()) return;
  }
}

void LogSession::sync_some() {
  while (!stop_) {
    base::sleep_for(base::Duration(100'000 + random_.below(5'000'000)));
    const std::uint64_t entries = history().entries();
    if (log_.sync(base::now() + 30s)) {
      history().synced(entries);
      world().report.outcome("sync: done");
    } else {
      world().report.outcome("sync: unavailable");
      refused("a sync", 30s);
    }
  }
}

// As an engine does that has flushed everything before a segment: a checkpoint, and the log before it may go.
void LogSession::release_some() {
  while (!stop_) {
    base::sleep_for(base::Duration(500'000 + random_.below(5'000'000)));
    std::optional<log::Start> start;
    std::uint64_t index = 0;
    {
      const std::lock_guard lock(owner_);
      if (stop_ || !read()) return;
      if (segments_.size() < 2) continue;
      const SegmentStart chosen = segments_[1 + random_.below(segments_.size() - 1)];
      start = log_.start_of(chosen.segment);
      index = chosen.index;
    }
    if (!start.has_value() || !log_.sync(base::now() + 30s)) continue;
    history().synced(index);
    history().set_checkpoint(*start, index);
    log_.release(start->segment);
    world().report.outcome("release");
  }
}

void LogSession::check_all() {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> healed;
  std::vector<std::string> damage;
  const LogHistory::Checkpoint from = history().checkpoint();
  log_.check(from.start, entries, bytes, healed, damage);
  if (!damage.empty() && !history().is_beyond_redundancy() && shared_.calm) fail("check says: " + damage.front());
  if (!damage.empty() && plan_.must_succeed && !history().is_beyond_redundancy()) fail("check says: " + damage.front());
  world().report.outcome(damage.empty() ? "check: clean" : "check: damage");
}

void open_and_run(LogWorld& shared, const Plan& plan) {
  World& world = shared.world;
  if (plan.start_after > base::Duration::zero()) base::sleep_for(plan.start_after);
  log::Live::Opened opened = log::Live::open(world.disk, kStoreId, base::now() + (plan.must_succeed ? 10min : 5s));
  if (opened.live == nullptr) {
    world.report.outcome("open: live is unavailable");
    if (shared.calm || plan.must_succeed) world.scheduler.fail("log: live can't be opened: " + opened.error.text());
    return;
  }
  const bool alone = opened.live->alone();
  // All others have died: in the midst of a round it is this opening that finds out.
  if (alone && shared.sync_failed()) shared.history.all_gone(true);
  View view = shared.history.begin_open();
  log::DirectoryLogOptions options;
  options.store_id = kStoreId;
  options.start = shared.history.checkpoint().start;
  options.segment_bytes = shared.segment_bytes;
  options.on_message = [&shared, &world](const std::string& message) {
    world.report.outcome("message");
    if (message.starts_with("entries of the log that were not synced are lost")) shared.history.unsynced_lost();
  };
  log::Read outcome = log::Read::caught_up;
  std::string why;
  std::unique_ptr<log::Log> log = log::open_directory_log(
      world.disk, *opened.live, options, [&](const log::Entry& entry) { shared.history.observe(view, entry); }, outcome,
      why);
  if (log == nullptr) {
    world.report.outcome(outcome == log::Read::unavailable ? "open: unavailable"
                         : outcome == log::Read::gone      ? "open: gone"
                                                           : "open: corrupt");
    shared.history.open_failed(view, outcome, why);
    const bool ruined =
        shared.history.is_beyond_redundancy();  // then a sector that can't be read either is no surprise
    if (outcome == log::Read::unavailable && !ruined && (shared.calm || plan.must_succeed)) {
      world.scheduler.fail("log: it can't be opened, and nothing is wrong: " + why);
    }
    return;
  }
  world.report.outcome(alone ? "open: alone" : "open: with others");
  shared.history.opened(view, alone);
  {
    LogSession session(shared, plan, *opened.live, *log, view);
    session.run();
  }
  if (plan.closes) log->close();
  log.reset();
  opened.live.reset();
  ++shared.finished;
}

Plan draw_plan(Chance& chance, Choices& choices) {
  Plan plan;
  plan.start_after =
      base::Duration(static_cast<std::int64_t>(chance.one_in(2) ? 0 : chance.magnitude(1'000, 20'000'000)));
  plan.appenders = chance.between(1, 3);
  const std::uint64_t appends = chance.between(1, 20);
  plan.appends = 0;
  for (std::uint64_t i = 0; i < appends; ++i) plan.appends += choices.take(Optional::step) ? 1 : 0;
  plan.durable_percent = std::array<std::uint64_t, 4>{0, 30, 80, 100}[chance.below(4)];
  plan.large_percent = std::array<std::uint64_t, 3>{0, 5, 40}[chance.below(3)];
  plan.new_segment_percent = std::array<std::uint64_t, 3>{0, 5, 40}[chance.below(3)];
  plan.waits = chance.one_in(2);
  plan.syncs = chance.one_in(3);
  plan.releases = chance.one_in(3);
  plan.checks = chance.one_in(4);
  plan.closes = chance.percent(70);
  return plan;
}

class LogDirector {
 public:
  explicit LogDirector(World& world)
      : world_(world), chance_(world.chance), shared_(world, (std::uint64_t{64} << 10) << world.chance.below(4)) {}

  void run() {
    world_.scheduler.set_steps_max(3'000'000);
    const bool faults = chance_.percent(50);
    const bool pauses = chance_.percent(25);
    damages_ = chance_.percent(40);
    shared_.calm = !faults && !pauses;
    profile_ = FaultProfile::draw(chance_);
    if (!faults) {
      const FaultProfile drawn = profile_;
      profile_ = {};
      profile_.names_in_order = drawn.names_in_order;
      profile_.garbage_page = drawn.garbage_page;
    }
    world_.scheduler.on_death([this](Process& process) { shared_.history.process_died(process.number()); });
    const std::uint64_t rounds = chance_.between(1, 4);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      world_.disk.set_faults(profile_);
      round(pauses);
      if (damages_) rot();
    }
    if (chance_.percent(10)) ruin();
    finish();
  }

 private:
  void round(bool pauses) {
    enum class End { quiet, power, kill_all };
    const End end = chance_.percent(40) ? End::power : chance_.percent(40) ? End::kill_all : End::quiet;
    power_lost_ = false;
    shared_.sync_errors_before = world_.report.counted(Fault::sync_error);
    if (end != End::quiet) {
      const std::uint64_t steps = chance_.magnitude(50, 20'000);
      if (world_.choices.take(Optional::event)) {
        world_.scheduler.after_steps(steps, [this, end] { end == End::power ? lose_power() : kill_all(); });
      }
    }
    std::vector<Plan> plans(chance_.between(1, 4));
    for (Plan& plan : plans) plan = draw_plan(chance_, world_.choices);
    std::vector<Process*> running;
    for (const Plan& plan : plans) {
      const bool killed = chance_.percent(40);
      const std::uint64_t steps = killed ? chance_.magnitude(5, 10'000) : 0;
      if (!world_.choices.take(Optional::process)) continue;
      Process& process = start(plan);
      if (killed && world_.choices.take(Optional::event)) world_.scheduler.kill_after(process, steps);
      running.push_back(&process);
    }
    if (pauses && !running.empty()) {
      base::sleep_for(base::Duration(static_cast<std::int64_t>(chance_.magnitude(10'000, 20'000'000))));
      Process& process = *running[chance_.below(running.size())];
      const auto length = base::Duration(static_cast<std::int64_t>(chance_.magnitude(1'000'000, 10'000'000'000)));
      if (world_.choices.take(Optional::event) && process.running()) world_.scheduler.pause(process, length);
    }
    if (chance_.one_in(8)) {
      const auto jump = static_cast<std::int64_t>(chance_.magnitude(1'000, 100'000'000'000));
      const bool forward = chance_.one_in(2);
      if (world_.choices.take(Optional::event)) world_.scheduler.jump_wall_clock(forward ? jump : -jump);
    }
    for (Process* process : running) world_.scheduler.wait_for_end(*process);
    world_.scheduler.after_steps(~0ULL >> 1, [] {});  // the power holds
    if (chance_.one_in(3) && !power_lost_ && world_.choices.take(Optional::event)) lose_power();
    if (!power_lost_) shared_.history.all_gone(shared_.sync_failed());
    shared_.sync_errors_before = world_.report.counted(Fault::sync_error);
  }

  Process& start(const Plan& plan) {
    return world_.scheduler.start("log" + std::to_string(++started_), [this, &plan] { open_and_run(shared_, plan); });
  }

  void kill_all() {
    for (const auto& process : world_.scheduler.processes()) {
      if (process->number() != 0) world_.scheduler.kill(*process);
    }
  }

  void lose_power() {
    power_lost_ = true;
    world_.disk.lose_power();
    shared_.history.power_lost();
  }

  // While nobody has the log open, the medium changes: one sector, which must be healed.
  void rot() {
    if (chance_.one_in(2) || shared_.history.opens() == opens_at_damage_) return;
    std::vector<Disk::Listed> segments;
    for (const Disk::Listed& file : world_.disk.files()) {
      if (file.path.rfind("log/0", 0) == 0) segments.push_back(file);
    }
    if (segments.empty()) return;
    const Disk::Listed& file = segments[chance_.below(segments.size())];
    std::vector<std::uint64_t> settled;
    FileImage* const image = world_.disk.image(file.path);
    for (std::uint64_t offset = 0; offset < file.bytes; offset += kPageBytes) {
      if (image->is_settled(offset)) settled.push_back(offset);
    }
    if (settled.empty()) return;
    static constexpr Damage kKinds[] = {Damage::bit_flip,  Damage::noise_512,  Damage::noise_4096,
                                        Damage::zeros_512, Damage::zeros_4096, Damage::unreadable};
    const std::uint64_t page = settled[chance_.below(settled.size())];
    const Damage kind = kKinds[chance_.below(std::size(kKinds))];
    const std::uint64_t inside = chance_.below(kPageBytes);
    if (world_.disk.damage(file.path, page + inside, kind)) opens_at_damage_ = shared_.history.opens();
  }

  // More damage than can be healed, in a log that was closed cleanly: either it touches nothing that an opening needs,
  // or the opening says so. Of the last segment the seal stays, which says what must be there: if that is destroyed
  // too, nothing tells damage from a torn tail.
  void ruin() {
    if (!run_to_its_end(3)) return;
    std::vector<Disk::Listed> segments;
    for (const Disk::Listed& file : world_.disk.files()) {
      if (file.path.rfind("log/0", 0) == 0) segments.push_back(file);
    }
    // Mostly where an opening begins or ends.
    const std::size_t last = segments.size() - 1;
    const std::size_t chosen = chance_.one_in(2) ? last : chance_.below(segments.size());
    const Disk::Listed& file = segments[chosen];
    std::uint64_t end = file.bytes;
    if (chosen == last) {
      const std::optional<std::uint64_t> seal = seal_of(file);
      if (!seal.has_value()) return;
      end = *seal;
    }
    const std::uint64_t pages = end / kPageBytes;
    if (pages < 3) return;
    const std::uint64_t first = chance_.between(chance_.one_in(8) ? 0 : 2, pages - 1);  // mostly behind the headers
    const std::uint64_t count = chance_.between(1, 12);
    const Damage kind = chance_.one_in(2) ? Damage::noise_4096 : Damage::zeros_4096;
    shared_.history.damaged_beyond_redundancy();
    world_.report.outcome(chosen == last ? "ruin: of the last segment" : "ruin: of an earlier segment");
    for (std::uint64_t page = first; page < std::min(pages, first + count); ++page) {
      world_.disk.damage(file.path, page * kPageBytes, kind);
    }
  }

  // Where the seal of a log stands whose last segment this is, if the log ends with one.
  std::optional<std::uint64_t> seal_of(const Disk::Listed& segment) {
    const std::string bytes = world_.disk.image(segment.path)->durable_bytes();
    const log::PlaceSeed seed(kStoreId, std::stoull(segment.path.substr(4), nullptr, 16));
    std::optional<std::uint64_t> seal;
    for (std::uint64_t at = 0; at + log::kEntryFrameBytes <= bytes.size(); at += log::kSectorBytes) {
      log::EntryHeader header;
      if (log::decode_entry_header(bytes.data() + at, seed, at, bytes.size() - at, header) != log::HeaderCheck::good) {
        continue;
      }
      seal = header.kind == log::RecordKind::seal ? std::optional(at) : std::nullopt;
    }
    return seal;
  }

  // The world is good again. Everything that was promised is there, and the log goes on.
  void finish() {
    for (int turn = 0; turn < 2; ++turn) {
      if (!run_to_its_end(3) && !shared_.history.is_beyond_redundancy()) {
        world_.scheduler.fail("log: the last process did not come through");
      }
      if (turn == 0) lose_power();
    }
  }

  // A process with nothing in its way. False: it gave up.
  bool run_to_its_end(std::uint64_t appends) {
    world_.disk.set_faults({});
    world_.disk.set_full(false);
    Plan plan;
    plan.appends = appends;
    plan.durable_percent = 100;
    plan.checks = true;
    plan.must_succeed = true;
    const std::uint64_t finished = shared_.finished;
    Process& process = world_.scheduler.start("last", [this, &plan] { open_and_run(shared_, plan); });
    world_.scheduler.wait_for_end(process);
    return shared_.finished != finished;
  }

  World& world_;
  Chance& chance_;
  LogWorld shared_;
  FaultProfile profile_;
  bool damages_ = false;
  bool power_lost_ = false;
  std::uint64_t started_ = 0;
  std::uint64_t opens_at_damage_ = ~0ULL;
};

}  // namespace

void run_log_scenario(World& world) {
  LogDirector director(world);
  director.run();
}

}  // namespace ingot::simulator
