#include "support/fake_s3.h"

#include <algorithm>

#include "support/fake_s3/connection.h"
#include "support/fake_s3/error.h"
#include "support/fake_s3/machine.h"

namespace ingot::fake_s3 {

void Clock::set_skews(std::vector<std::chrono::seconds> skews) {
  const std::lock_guard lock(mutex_);
  skews_ = std::move(skews);
}

Seconds Clock::now() const {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) +
         std::chrono::seconds(offset_.load());
}

Seconds Clock::now(std::uint64_t connection) const {
  const std::lock_guard lock(mutex_);
  return skews_.empty() ? now() : now() + skews_[connection % skews_.size()];
}

Machine::Machine(Options options_) : options(std::move(options_)), listener(options.port) {
  behaviour_ = behaviour_of(options.profile);
  latency.set(options.latency);
  keys.add({options.access_key, options.secret_key, options.session_token, {}, false, {}});
  for (const std::string& bucket : options.buckets) objects.make_bucket(bucket);
  acceptor_ = std::thread([this] { run(); });
}

void Machine::run() {
  std::uint64_t number = 0;
  for (int socket = 0; (socket = listener.accept()) >= 0;) {
    reap();
    auto line = std::make_unique<Line>(socket);
    const std::lock_guard lock(lines_mutex_);
    if (lines_.size() >= kConnectionsMax) continue;  // closes it
    journal.add_connection();
    Line& it = *line;
    it.thread = std::thread([this, &it, number] {
      Connection(*this, it.stream, number).run();
      it.stream.close();
      it.is_over = true;
    });
    lines_.push_back(std::move(line));
    ++number;
  }
}

// Those that are over.
void Machine::reap() {
  const std::lock_guard lock(lines_mutex_);
  for (auto it = lines_.begin(); it != lines_.end();) {
    if ((*it)->is_over) {
      (*it)->thread.join();
      it = lines_.erase(it);
    } else {
      ++it;
    }
  }
}

void Machine::stop() {
  const std::lock_guard only_once(stop_mutex_);
  if (!acceptor_.joinable()) return;
  gate.stop();
  listener.stop();
  acceptor_.join();
  hang_up();
  const std::lock_guard lock(lines_mutex_);
  for (const std::unique_ptr<Line>& line : lines_) line->thread.join();
  lines_.clear();
}

void Machine::hang_up() {
  const std::lock_guard lock(lines_mutex_);
  for (const std::unique_ptr<Line>& line : lines_) line->stream.hang_up();
}

void Machine::set_outage(Outage outage, std::optional<std::chrono::milliseconds> lasts) {
  if (outage == Outage::refused) {
    listener.refuse(lasts);
    hang_up();
  } else {
    listener.listen();
  }
  gate.set_silent(outage == Outage::silent);
}

Behaviour Machine::behaviour() const {
  const std::lock_guard lock(behaviour_mutex_);
  return behaviour_;
}

void Machine::set_behaviour(const Behaviour& behaviour) {
  const std::lock_guard lock(behaviour_mutex_);
  behaviour_ = behaviour;
}

Server::Server(Options options) : machine_(std::make_unique<Machine>(std::move(options))) {}
Server::~Server() = default;

std::uint16_t Server::port() const {
  return machine_->listener.port();
}
std::string Server::endpoint() const {
  return "http://127.0.0.1:" + std::to_string(port());
}
const Options& Server::options() const {
  return machine_->options;
}
void Server::stop() {
  machine_->stop();
}

Behaviour Server::behaviour() const {
  return machine_->behaviour();
}
void Server::set_behaviour(const Behaviour& behaviour) {
  machine_->set_behaviour(behaviour);
}
void Server::set_latency(const Latency& latency) {
  machine_->latency.set(latency);
}
void Server::set_clock_offset(std::chrono::seconds offset) {
  machine_->clock.set_offset(offset);
}
void Server::set_skews(std::vector<std::chrono::seconds> skews) {
  machine_->clock.set_skews(std::move(skews));
}
Seconds Server::date() const {
  return machine_->clock.now();
}
Keys& Server::keys() {
  return machine_->keys;
}

void Server::inject(const FaultRule& rule) {
  machine_->faults.add(rule);
}
Faults& Server::faults() {
  return machine_->faults;
}
bool Server::wait_for_held(std::size_t count, std::chrono::milliseconds patience) {
  return machine_->gate.wait_for_held(count, patience);
}
void Server::release() {
  machine_->gate.release();
}
void Server::set_outage(Outage outage, std::optional<std::chrono::milliseconds> lasts) {
  machine_->set_outage(outage, lasts);
}
void Server::hang_up() {
  machine_->hang_up();
}

Objects& Server::objects() {
  return machine_->objects;
}
std::vector<std::string> Server::keys_in(const std::string& bucket) const {
  return machine_->objects.keys(bucket);
}
std::optional<std::string> Server::bytes_of(const std::string& key, const std::string& bucket) const {
  const std::optional<Object> object = machine_->objects.get(bucket, key);
  return object ? std::optional(*object->bytes) : std::nullopt;
}
void Server::put(const std::string& key, const std::string& bytes, const std::string& bucket) {
  Object object;
  object.bytes = std::make_shared<const std::string>(bytes);
  object.modified = date();
  Behaviour any = behaviour();
  any.one_write_per_key = false;
  machine_->objects.put(machine_->objects.arrive(bucket, key, any), {}, std::move(object), any);
}
void Server::remove(const std::string& key, const std::string& bucket) {
  machine_->objects.remove(bucket, key, {}, behaviour());
}
Journal& Server::journal() {
  return machine_->journal;
}

}  // namespace ingot::fake_s3
