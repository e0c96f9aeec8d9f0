#include "bucket.h"

#include <algorithm>
#include <utility>

#include "memory.h"

namespace ingot::simulator {

using storage::Answer;
using storage::BucketDate;
using storage::Outcome;

namespace {

// The bucket's clock at the scheduler's zero: no machine's.
constexpr BucketDate kBucketEpoch{std::chrono::seconds(1'800'000'000)};

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000 * kMillisecond;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;

base::Duration draw_duration(Chance& dice, std::uint64_t low_nanos, std::uint64_t high_nanos) {
  return base::Duration(static_cast<std::int64_t>(dice.magnitude(low_nanos, high_nanos)));
}

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= storage::kObjectKeyBytesMax &&
         key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-/") == std::string_view::npos;
}

}  // namespace

Bucket::Bucket(Scheduler& scheduler, Chance chance)
    : scheduler_(scheduler), chance_(chance), listing_seed_(chance_.next()) {
  scheduler_.on_death([this](Process& process) { process_died(process); });
}

BucketDate Bucket::date_at(base::Instant time) const {
  return kBucketEpoch + std::chrono::floor<std::chrono::seconds>(time.time_since_epoch());
}

// What befalls a request.

void Bucket::struck(Fault fault) {
  scheduler_.report().count(fault);
  scheduler_.trace().event("fault", 0, 0, fault_name(fault));
}

bool Bucket::fits(Fault fault, const Request& request) {
  switch (fault) {
    case Fault::conflict:
      return request.verb == Verb::create;
    case Fault::truncated:
      return request.verb == Verb::get;
    case Fault::lost_answer:
    case Fault::duplicate:
    case Fault::late:
    case Fault::error_after:
      return request.changes();  // who only reads can't tell
    default:
      return true;
  }
}

Bucket::Course Bucket::draw_course(const Request& request) {
  // As many draws for each request, whatever befalls it: the details are drawn from a stream of its own.
  const std::uint64_t roll = chance_.below(1'000'000);
  Chance dice = chance_.fork();
  Course course;
  course.there = draw_duration(dice, kMillisecond, 20 * kMillisecond);
  course.inside = draw_duration(dice, kMillisecond, (request.verb == Verb::get ? 30 : 150) * kMillisecond);
  course.back = draw_duration(dice, kMillisecond, 20 * kMillisecond);
  course.skew = std::chrono::seconds(dice.below(3));
  course.page_max = dice.magnitude(1, 1000) - 1;
  const std::optional<Fault> fault = profile_.at(roll);
  if (fault.has_value() && fits(*fault, request) && scheduler_.choices().take(Optional::fault)) {
    befall(*fault, dice, course);
  }
  befall_by_period(dice, course);
  return course;
}

void Bucket::befall(Fault fault, Chance& dice, Course& course) {
  const bool coin = dice.one_in(2);
  const Process* const only = dice.one_in(2) ? scheduler_.current_process() : nullptr;
  switch (fault) {
    case Fault::delayed:
      (coin ? course.there : course.back) += draw_duration(dice, kSecond, kMinute);
      break;
    case Fault::lost_request:
    case Fault::lost_answer:
      course.arrives = fault == Fault::lost_answer;
      course.is_silent = coin;
      course.instead = {Outcome::unanswered, "connection reset"};
      break;
    case Fault::duplicate: {
      const bool soon = dice.one_in(2);
      course.again = draw_duration(dice, kMillisecond, soon ? kSecond : 30 * kHour);
      course.again_from_the_wire = coin || *course.again > base::Duration(11 * kHour);
      course.again_answers = soon && dice.one_in(2);
      break;
    }
    case Fault::late:
      (coin ? course.there : course.inside) += draw_duration(dice, kMinute, coin ? 30 * kHour : 11 * kHour);
      break;
    case Fault::conflict:
      course.arrives = false;
      course.instead = {Outcome::conflict, "409 ConditionalRequestConflict"};
      break;
    case Fault::throttled:
      course.arrives = false;
      course.instead = {Outcome::throttled, "429 TooManyRequests", draw_duration(dice, kSecond, 30 * kSecond)};
      break;
    case Fault::error_before:
    case Fault::error_after:
      course.arrives = fault == Fault::error_after;
      course.instead = {Outcome::failed, "500 InternalError"};
      break;
    case Fault::truncated:
      course.instead = {Outcome::unanswered, "the body was cut short"};
      break;
    case Fault::stale_connection:
      course.arrives = dice.one_in(4);
      course.inside = course.back = base::Duration(kMillisecond);
      course.instead = {Outcome::unanswered, "connection reset"};
      break;
    case Fault::storm:
      storm_ = {scheduler_.time() + draw_duration(dice, kSecond, 5 * kMinute), nullptr};
      return;
    case Fault::outage:
      outage_ = {scheduler_.time() + draw_duration(dice, kSecond, 3 * kHour), only};
      return;
    case Fault::no_connection:
      no_connection_ = {scheduler_.time() + draw_duration(dice, kSecond, 3 * kHour), only};
      return;
    case Fault::wrong_date: {
      const auto apart = std::chrono::seconds(dice.between(10 * 60, 72 * 3600));
      course.skew = coin ? apart : -apart;
      break;
    }
    case Fault::expired_credentials:
      expiry_ = {scheduler_.time() + draw_duration(dice, kSecond, kHour), only};
      return;
    case Fault::stall:
      course.stall = draw_duration(dice, kMinute, 72 * kHour);
      course.stall_freezes = dice.one_in(2);
      course.stalls_first = coin;
      break;
    default:
      scheduler_.fail(std::string("not a fault of a request: ") + fault_name(fault));
  }
  struck(fault);
}

void Bucket::befall_by_period(Chance& dice, Course& course) {
  const Process* const sender = scheduler_.current_process();
  const base::Instant now = scheduler_.time();
  if (outage_.covers(sender, now)) {
    course.arrives = dice.one_in(16);  // a way there, and none back
    course.is_silent = true;
    struck(Fault::outage);
  } else if (no_connection_.covers(sender, now)) {
    course.arrives = course.is_silent = false;
    course.again.reset();
    course.inside = course.back = base::Duration(kMillisecond);
    course.instead = {Outcome::unsent, "connection refused"};
    struck(Fault::no_connection);
  } else if (expiry_.covers(sender, now)) {
    course.arrives = false;
    course.again.reset();  // a copy has the same credentials
    course.instead = {Outcome::refused, "403 ExpiredToken"};
    struck(Fault::expired_credentials);
  } else if (storm_.covers(sender, now)) {
    course.arrives = false;
    const auto retry_after = dice.one_in(2) ? std::chrono::seconds(1) : std::chrono::seconds(0);
    course.instead = {Outcome::throttled, "503 SlowDown", retry_after};
    struck(Fault::storm);
  }
}

void Bucket::stand_still(const Course& course) {
  const base::Duration duration = course.stall;
  Process& process = *scheduler_.current_process();
  course.stall_freezes ? scheduler_.freeze(process, duration) : scheduler_.pause(process, duration);
  scheduler_.sleep_for(duration);
}

void Bucket::process_died(Process& process) {
  HostMemory host;
  settle();
  for (auto at = flights_.begin(); at != flights_.end();) {
    const auto each = at++;
    Flight& flight = each->second;
    if (flight.sender != &process) continue;
    flight.sender = nullptr;
    const bool was_sent = chance_.one_in(2);
    if (flight.deliveries != 0) {
      if (was_sent && scheduler_.choices().take(Optional::fault)) {
        if (flight.request.changes()) struck(Fault::killed_request);
        continue;
      }
      std::erase_if(deliveries_, [&](const auto& delivery) { return delivery.second.flight == each->first; });
    }
    flights_.erase(each);
  }
}

// The wire.

void Bucket::deliver(std::uint64_t flight, base::Instant arrives, base::Instant handled, bool answers) {
  deliveries_.emplace(std::pair(handled, next_delivery_++), Delivery{flight, arrives, answers});
  ++flights_.at(flight).deliveries;
}

const Bucket::Reply& Bucket::send(const Ask& ask) {
  HostMemory host;
  const std::uint64_t number = next_flight_++;
  Flight& flight = flights_[number];
  flight.sender = scheduler_.current_process();
  Request& request = flight.request;
  request.verb = ask.verb;
  request.key = ask.key;
  request.bytes = ask.bytes;
  request.continuation = ask.continuation;
  request.range = ask.range;
  request.signed_at = ask.signed_at.value_or(date());
  request.id = ask.id;
  request.number = ask.number;
  if (ask.tags != nullptr) request.tags = *ask.tags;
  return fly(number, ask.deadline);
}

// What is on the stack here may be abandoned at any wait, so it owns nothing.
const Bucket::Reply& Bucket::fly(std::uint64_t number, base::Instant deadline) {
  static constexpr const char* kNames[] = {"create", "replace", "get",    "list",  "remove",
                                           "begin",  "part",    "finish", "abort", "list uploads"};
  Flight& flight = flights_.at(number);
  Request& request = flight.request;
  deadline = scheduler_.in_world(deadline);
  if (deadline == base::kNever) scheduler_.fail("a request without a deadline: " + request.key);
  const bool is_prefix = request.key.empty() || request.key.ends_with('/');
  if (request.lists() ? !is_prefix : !is_key(request.key)) scheduler_.fail("not a key: " + request.key);
  scheduler_.step();
  scheduler_.trace().event(kNames[static_cast<int>(request.verb)], number, request.bytes.size(), request.key);
  ++scheduler_.report().bucket_requests;
  count(request);

  const Course course = draw_course(request);
  request.page_max = course.page_max;
  const bool stalls = course.stall > base::Duration::zero();
  if (stalls && course.stalls_first) stand_still(course);
  const base::Instant arrives = scheduler_.time() + course.there;
  const base::Instant handled = arrives + course.inside;
  base::Instant answered = handled + course.back;
  if (course.arrives) deliver(number, arrives, handled, !course.again_answers);
  if (course.again.has_value()) {
    const base::Instant later = handled + *course.again;
    deliver(number, course.again_from_the_wire ? later : arrives, later, course.again_answers);
    if (course.again_answers) answered = later + course.back;
  }
  if (stalls && !course.stalls_first) stand_still(course);
  const base::Instant until = course.is_silent ? deadline : std::min(deadline, answered);
  if (scheduler_.time() < until) scheduler_.sleep_for(until - scheduler_.time());
  settle();

  if (course.is_silent || answered > deadline) {
    flight.reply.emplace().got.why = "no answer by the deadline";
  } else if (course.instead.has_value()) {
    storage::Got& got = flight.reply.emplace().got;
    got.outcome = course.instead->outcome;
    got.why = course.instead->why;
    got.retry_after = course.instead->retry_after;
    if (got.outcome != Outcome::unanswered && got.outcome != Outcome::unsent) got.date = date_at(handled);
  }
  Answer& said = flight.reply->got;
  if (said.date.has_value()) *said.date -= course.skew;
  count(flight.reply->got);
  scheduler_.trace().event("answer", number, static_cast<std::uint64_t>(said.outcome));
  flight.reply->flight = number;
  return *flight.reply;
}

void Bucket::count(const Request& request) {
  switch (request.verb) {
    case Verb::create:
    case Verb::replace:
    case Verb::begin:
    case Verb::part:
    case Verb::finish:
      ++counts_.puts;
      break;
    case Verb::get:
      ++counts_.gets;
      break;
    case Verb::list:
    case Verb::list_uploads:
      ++counts_.lists;
      break;
    case Verb::remove:
    case Verb::abort:
      ++counts_.removes;
      break;
  }
  counts_.bytes_sent += request.bytes.size();
}

void Bucket::count(const storage::Got& got) {
  counts_.bytes_received += got.bytes.size();
  if (got.outcome == Outcome::failed || got.outcome == Outcome::unanswered) ++counts_.undecided;
  if (got.outcome == Outcome::throttled) ++counts_.throttled;
}

void Bucket::land(std::uint64_t number) {
  const auto flight = flights_.find(number);
  flight->second.sender = nullptr;
  if (flight->second.deliveries == 0) flights_.erase(flight);
}

void Bucket::settle() {
  while (!deliveries_.empty() && deliveries_.begin()->first.first <= scheduler_.time()) {
    const auto [when, delivery] = *deliveries_.begin();
    deliveries_.erase(deliveries_.begin());
    const auto at = flights_.find(delivery.flight);
    Flight& flight = at->second;
    Reply reply = handle(flight.request, delivery.arrives, when.first);
    scheduler_.trace().event("handled", delivery.flight, static_cast<std::uint64_t>(reply.got.outcome));
    if (delivery.answers) flight.reply = std::move(reply);
    if (--flight.deliveries == 0 && flight.sender == nullptr) flights_.erase(at);
  }
}

// The calls. What they return belongs to the process, all else to the host.

Answer Bucket::put(std::string_view key, std::string_view bytes, storage::PutMode mode,
                   std::optional<BucketDate> signed_at, base::Instant deadline) {
  const Reply& reply = send({.verb = mode == storage::PutMode::create ? Verb::create : Verb::replace,
                             .key = key,
                             .deadline = deadline,
                             .bytes = bytes,
                             .signed_at = signed_at});
  Answer answer = reply.got;
  land(reply.flight);
  return answer;
}

storage::Got Bucket::get(std::string_view key, storage::ByteRange range, base::Instant deadline) {
  const Reply& reply = send({.verb = Verb::get, .key = key, .deadline = deadline, .range = range});
  storage::Got got = reply.got;
  land(reply.flight);
  return got;
}

storage::Listing Bucket::list(std::string_view prefix, std::string_view continuation, base::Instant deadline) {
  const Reply& reply = send({.verb = Verb::list, .key = prefix, .deadline = deadline, .continuation = continuation});
  storage::Listing listing{reply.got, reply.objects, reply.continuation};
  land(reply.flight);
  return listing;
}

Answer Bucket::remove(std::string_view key, base::Instant deadline) {
  const Reply& reply = send({.verb = Verb::remove, .key = key, .deadline = deadline});
  Answer answer = reply.got;
  land(reply.flight);
  return answer;
}

storage::Upload Bucket::begin_upload(std::string_view key, base::Instant deadline) {
  const Reply& reply = send({.verb = Verb::begin, .key = key, .deadline = deadline});
  storage::Upload upload{reply.got, reply.name};
  land(reply.flight);
  return upload;
}

storage::Part Bucket::put_part(std::string_view key, std::string_view id, std::uint32_t number, std::string_view bytes,
                               base::Instant deadline) {
  const Reply& reply =
      send({.verb = Verb::part, .key = key, .deadline = deadline, .bytes = bytes, .id = id, .number = number});
  storage::Part part{reply.got, reply.name};
  land(reply.flight);
  return part;
}

Answer Bucket::finish_upload(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                             base::Instant deadline) {
  const Reply& reply = send({.verb = Verb::finish, .key = key, .deadline = deadline, .id = id, .tags = &tags});
  Answer answer = reply.got;
  land(reply.flight);
  return answer;
}

Answer Bucket::abort_upload(std::string_view key, std::string_view id, base::Instant deadline) {
  const Reply& reply = send({.verb = Verb::abort, .key = key, .deadline = deadline, .id = id});
  Answer answer = reply.got;
  land(reply.flight);
  return answer;
}

storage::OpenUploads Bucket::list_uploads(std::string_view prefix, std::string_view continuation,
                                          base::Instant deadline) {
  const Reply& reply =
      send({.verb = Verb::list_uploads, .key = prefix, .deadline = deadline, .continuation = continuation});
  storage::OpenUploads open{reply.got, reply.uploads, reply.continuation};
  land(reply.flight);
  return open;
}

// For scenarios.

std::vector<std::string> Bucket::keys() {
  HostMemory host;
  settle();
  std::vector<std::string> keys;
  for (const auto& [key, object] : objects_) keys.push_back(key);
  return keys;
}

std::optional<std::string> Bucket::peek(std::string_view key) {
  HostMemory host;
  settle();
  const auto found = objects_.find(key);
  return found == objects_.end() ? std::nullopt : std::optional(found->second.bytes);
}

std::size_t Bucket::under_way() {
  HostMemory host;
  settle();
  return deliveries_.size();
}

std::vector<storage::OpenUpload> Bucket::open_uploads() {
  HostMemory host;
  settle();
  std::vector<storage::OpenUpload> open;
  for (const auto& [id, upload] : uploads_) open.push_back({upload.key, id, upload.begun});
  return open;
}

}  // namespace ingot::simulator
