#include "base/thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cassert>
#include <climits>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "base/simulation.h"

namespace ingot::base {

Mutex::Mutex() = default;
Mutex::~Mutex() = default;

void Mutex::lock() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->step();
    while (simulated_locked_) s->wait_until(this, kNever);
    simulated_locked_ = true;
    return;
  }
#endif
  real_.lock();
}
bool Mutex::try_lock() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->step();
    return !std::exchange(simulated_locked_, true);
  }
#endif
  return real_.try_lock();
}
void Mutex::unlock() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    simulated_locked_ = false;
    s->wake_one(this);
    s->step();
    return;
  }
#endif
  real_.unlock();
}

ConditionVariable::ConditionVariable() = default;
ConditionVariable::~ConditionVariable() = default;

void ConditionVariable::wait(std::unique_lock<Mutex>& lock) {
#ifdef INGOT_TESTING
  if (simulation() != nullptr) {
    wait_until(lock, kNever);
    return;
  }
#endif
  std::unique_lock<std::mutex> real(lock.mutex()->real_, std::adopt_lock);
  real_.wait(real);
  real.release();
}

bool ConditionVariable::wait_until(std::unique_lock<Mutex>& lock, Instant deadline) {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    // Unlocking and waiting are one: nobody else runs between them.
    Mutex& mutex = *lock.mutex();
    mutex.simulated_locked_ = false;
    s->wake_one(&mutex);
    const bool in_time = s->wait_until(this, deadline);
    mutex.lock();
    return in_time;
  }
#endif
  if (deadline == kNever) {
    wait(lock);
    return true;
  }
  std::unique_lock<std::mutex> real(lock.mutex()->real_, std::adopt_lock);
  const bool woken = real_.wait_until(real, deadline) == std::cv_status::no_timeout;
  real.release();
  return woken;
}

void ConditionVariable::notify_one() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->wake_one(this);
    s->step();
    return;
  }
#endif
  real_.notify_one();
}
void ConditionVariable::notify_all() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->wake_all(this);
    s->step();
    return;
  }
#endif
  real_.notify_all();
}

bool WaitWord::wait_until(std::uint32_t expected, Instant deadline) {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->step();
    if (word_.load() != expected) return true;
    return s->wait_until(this, deadline);
  }
#endif
  timespec until{};
  if (deadline != kNever) {
    const auto nanos = deadline.time_since_epoch().count();
    until = {static_cast<time_t>(nanos / 1'000'000'000), nanos % 1'000'000'000};
  }
  static_assert(sizeof(word_) == sizeof(std::uint32_t));
  // The deadline is absolute, on the monotonic clock, which std::chrono::steady_clock is.
  const long result =
      ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word_), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                deadline == kNever ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  return result == 0 || errno != ETIMEDOUT;
}

void WaitWord::wake_one() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->wake_one(this);
    s->step();
    return;
  }
#endif
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word_), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr,
            0);
}

void WaitWord::wake_all() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->wake_all(this);
    s->step();
    return;
  }
#endif
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word_), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr,
            nullptr, 0);
}

struct Thread::State {
  std::thread real;
#ifdef INGOT_TESTING
  Simulation* simulation = nullptr;  // that runs it; until it is joined
  std::uint64_t simulated = 0;
#endif
};

Thread::Thread() = default;

Thread::Thread(std::string name, std::function<void()> body) : state_(std::make_unique<State>()) {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    state_->simulation = s;
    state_->simulated = s->start_thread(std::move(name), std::move(body));
    return;
  }
#endif
  // Signals are the application's: a thread inherits the mask of the one that starts it.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    state_->real = std::thread([body = std::move(body)] {
      try {
        body();
      } catch (...) {  // NOLINT(bugprone-empty-catch): nothing of ours ends the application
      }
    });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  constexpr std::size_t kNameMax = 15;
  pthread_setname_np(state_->real.native_handle(), name.substr(0, kNameMax).c_str());
}

Thread::Thread(Thread&&) noexcept = default;
Thread& Thread::operator=(Thread&& other) noexcept {
  if (this != &other) {
    if (joinable()) join();
    state_ = std::move(other.state_);
  }
  return *this;
}
Thread::~Thread() {
  if (joinable()) join();
}
void Thread::join() {
#ifdef INGOT_TESTING
  if (Simulation* s = std::exchange(state_->simulation, nullptr)) {
    s->join_thread(state_->simulated);
    return;
  }
#endif
  state_->real.join();
}
bool Thread::joinable() const {
#ifdef INGOT_TESTING
  if (state_ != nullptr && state_->simulation != nullptr) return true;
#endif
  return state_ != nullptr && state_->real.joinable();
}

namespace {

// The small numbers of threads. Leaked on purpose: threads may end after static destruction began.
struct ThreadNumbers {
  std::mutex mutex;
  std::set<std::uint32_t> free;
  std::uint32_t next = 0;
};
ThreadNumbers& thread_numbers() {
  static auto* numbers = new ThreadNumbers;
  return *numbers;
}

struct ThreadNumber {
  ThreadNumber() {
    ThreadNumbers& numbers = thread_numbers();
    const std::lock_guard lock(numbers.mutex);
    if (numbers.free.empty()) {
      value = numbers.next++;
    } else {
      value = *numbers.free.begin();
      numbers.free.erase(numbers.free.begin());
    }
  }
  ~ThreadNumber() {
    ThreadNumbers& numbers = thread_numbers();
    const std::lock_guard lock(numbers.mutex);
    numbers.free.insert(value);
  }
  std::uint32_t value;
};

std::atomic<std::uint32_t> forks{0};

[[maybe_unused]] const int fork_handler =
    pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

std::uint32_t thread_index() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) return s->thread_index();
#endif
  thread_local const ThreadNumber number;
  return number.value;
}

void spin_pause() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->stand_back();
    return;
  }
#endif
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void yield_thread() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) {
    s->stand_back();
    return;
  }
#endif
  sched_yield();
}

std::uint32_t fork_generation() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) return s->fork_generation();
#endif
  return forks.load(std::memory_order_relaxed);
}

ProcessIdentity process_identity() {
#ifdef INGOT_TESTING
  if (Simulation* s = simulation()) return s->process_identity();
#endif
  // /proc/self/stat: the name is in parentheses and may hold anything; the start time is the 20th field after it.
  ProcessIdentity identity{static_cast<std::uint32_t>(::getpid()), 0};
  std::ifstream file("/proc/self/stat");
  std::string stat((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return identity;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  for (int i = 0; i < 19; ++i) fields >> field;
  fields >> identity.start;
  return identity;
}

}  // namespace ingot::base
