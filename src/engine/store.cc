// The public Store, Snapshot and Transaction, on the engine.
#include "ingot/store.h"

#include <algorithm>

#include "base/time.h"
#include "engine/copy.h"
#include "engine/engine.h"
#include "engine/internal_key.h"
#include "engine/merged_view.h"
#include "engine/place.h"
#include "engine/store_maker.h"
#include "ingot/version.h"

namespace ingot {

const char* release() {
  return INGOT_VERSION_STRING;
}

const char* name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::not_a_store:
      return "not_a_store";
    case ErrorCode::too_large:
      return "too_large";
    case ErrorCode::read_only:
      return "read_only";
    case ErrorCode::closed:
      return "closed";
    case ErrorCode::expired:
      return "expired";
    case ErrorCode::newer_format:
      return "newer_format";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::corrupt:
      return "corrupt";
  }
  return "unknown";
}

namespace {

engine::Engine& opened(const std::shared_ptr<engine::Engine>& engine) {
  if (engine == nullptr) throw Error(ErrorCode::closed, "the store handle was moved from or closed");
  return *engine;
}

std::unique_ptr<engine::TransactionState> begin_state(const std::shared_ptr<engine::Engine>& engine,
                                                      const TransactOptions& options) {
  opened(engine).refresh(options.fresh);
  engine::HeldView held = engine->hold();
  return std::make_unique<engine::TransactionState>(engine, std::move(held.state), held.version, held.time_micros,
                                                    options.durability.value_or(engine->options().durability));
}

engine::TransactionState& present(const std::unique_ptr<engine::TransactionState>& state) {
  if (state == nullptr) throw Error(ErrorCode::closed, "the transaction was moved from");
  return *state;
}

}  // namespace

Snapshot::Snapshot(std::shared_ptr<engine::SnapshotState> state) : state_(std::move(state)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;
Version Snapshot::version() const {
  if (state_ == nullptr) throw Error(ErrorCode::closed, "the snapshot was moved from");
  return state_->held.version;
}

Transaction::Transaction(std::unique_ptr<engine::TransactionState> state) : state_(std::move(state)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;
std::optional<Version> Transaction::commit() {
  engine::TransactionState& state = present(state_);
  return state.engine->commit(state);
}
Version Transaction::snapshot_version() const {
  return present(state_).version;
}
std::size_t Transaction::bytes() const {
  return present(state_).mutations.bytes().size();
}

Store::Store(std::shared_ptr<engine::Engine> engine) : engine_(std::move(engine)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&& other) noexcept {
  if (this != &other) {
    Store old(std::move(*this));  // closes what this was
    engine_ = std::move(other.engine_);
  }
  return *this;
}
Store::~Store() {
  if (engine_ == nullptr) return;
  try {
    engine_->close();
  } catch (const std::exception& error) {
    engine_->message(Message::Severity::warning, engine_->where() + ": closing: " + error.what());
  }
}

Transaction Store::begin(TransactOptions options) const {
  return Transaction(begin_state(engine_, options));
}

Snapshot Store::snapshot(SnapshotOptions options) const {
  opened(engine_).refresh(options.fresh);
  return Snapshot(std::make_shared<engine::SnapshotState>(engine_, engine_->hold()));
}

Version Store::version() const {
  opened(engine_).refresh();
  return engine_->visible_version();
}

std::optional<Version> Store::outcome(const Undecided& undecided) const {
  return opened(engine_).outcome(undecided);
}

void Store::sync() {
  opened(engine_).sync();
}
Health Store::health() const {
  return opened(engine_).health();
}
Stats Store::stats() const {
  return opened(engine_).stats();
}
const std::string& Store::where() const {
  return opened(engine_).where();
}
void Store::settle() {
  opened(engine_).settle();
}
void Store::close() {
  opened(engine_).close();
}

std::vector<std::string> Store::spaces() const {
  opened(engine_).refresh();
  engine::HeldView held = engine_->hold();
  engine::MergedView view(held.state, held.version, held.time_micros, {}, {}, engine::ScanUse::lookup,
                          engine_->on_lost());
  std::vector<std::string> names;
  // From each space's first record straight to the next space.
  for (bool more = view.first(); more;) {
    const std::string space(engine::space_of(view.key()));
    if (space.empty() || space.front() != '\0') names.push_back(space);
    more = view.seek(engine::prefix_end(engine::space_prefix(space)));
  }
  if (view.failed()) engine_->throw_read_failure(view.why());
  std::sort(names.begin(), names.end());
  return names;
}

void Store::copy(const std::string& where, const std::function<void(const CopyProgress&)>& progress) const {
  opened(engine_).require_open();
  const std::unique_ptr<engine::CopyTarget> target = engine::copy_target_at(where, engine_->sizes());
  engine::copy_store(*engine_, *target, [&](const engine::CopyFigures& figures) {
    if (progress) progress({figures.done, figures.total, figures.found});
  });
}

CheckReport Store::check(const std::function<void(const CopyProgress&)>& progress) const {
  return opened(engine_).check([&](std::uint64_t done, std::uint64_t total) {
    if (progress) progress({done, total, 0});
  });
}

Store open(const std::string& where, Options options) {
  if (options.salvage) options.read_only = true;
  if (engine::is_bucket(where)) {
    return engine::StoreMaker::make(
        engine::Engine::open_on(&engine::bucket_medium_at, where, std::move(options), engine::bucket_sizes()));
  }
  std::unique_ptr<storage::Directory> directory = engine::directory_at(where, options);
  return engine::StoreMaker::make(engine::Engine::open(std::move(directory), where, std::move(options)));
}

namespace detail {

Attempts::Attempts(const Store& store, TransactOptions options) : engine_(store.engine_), options_(options) {
  opened(engine_);
}

Attempts::~Attempts() {
  if (elder_) engine_->end_elder();
}

Transaction Attempts::begin() {
  Transaction tx(begin_state(engine_, options_));
  tx.state_->elder = elder_;
  return tx;
}

std::optional<Version> Attempts::commit(Transaction& tx) {
  const std::optional<Version> version = tx.commit();
  if (!version) engine_->wait_after_loss(++losses_, elder_);
  return version;
}

}  // namespace detail

}  // namespace ingot
