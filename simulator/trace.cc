#include "trace.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace ingot::simulator {

namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9fb2'1c65'1e98'df25ULL;
  return hash ^ (hash >> 32);
}

std::uint64_t text_hash(const char* text) {
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325ULL;
  for (; *text != 0; ++text) hash = (hash ^ static_cast<unsigned char>(*text)) * 0x100'0000'01b3ULL;
  return hash;
}

}  // namespace

void Trace::event(const char* what, std::uint64_t a, std::uint64_t b, std::string_view detail) {
  Event& event = last_[count_ % kKept];
  event.what = what;
  event.at = now_.time_since_epoch().count();
  event.a = a;
  event.b = b;
  event.process = process_;
  event.fiber = fiber_;
  const std::size_t kept = std::min(detail.size(), event.detail.size() - 1);
  std::copy_n(detail.data(), kept, event.detail.data());
  event.detail[kept] = 0;

  std::uint64_t hash = mix(hash_, text_hash(what));
  hash = mix(hash, static_cast<std::uint64_t>(event.at));
  hash = mix(hash, (std::uint64_t{process_} << 32) | fiber_);
  hash = mix(hash, a);
  hash = mix(hash, b);
  if (kept != 0) hash = mix(hash, text_hash(event.detail.data()));
  hash_ = hash;
  ++count_;
  if (print_ != nullptr) {
    char line[256];
    std::fwrite(line, 1, static_cast<std::size_t>(format(event, line, sizeof line)), print_);
  }
}

int Trace::format(const Event& event, char* out, std::size_t bytes) {
  const int length =
      std::snprintf(out, bytes, "%14.3f us  p%u.%u  %-18s %llu %llu %s\n", static_cast<double>(event.at) / 1000.0,
                    event.process, event.fiber, event.what, static_cast<unsigned long long>(event.a),
                    static_cast<unsigned long long>(event.b), event.detail.data());
  return std::min(length, static_cast<int>(bytes) - 1);
}

bool Trace::is_switch(const Event& event) {
  return std::string_view(event.what) == "run";
}

std::uint64_t Trace::tail_start(std::size_t most) const {
  std::uint64_t start = count_;
  for (std::size_t shown = 0; start > 0 && count_ - start < kKept && shown < most; --start) {
    shown += is_switch(last_[(start - 1) % kKept]) ? 0 : 1;
  }
  return start;
}

std::string Trace::tail(std::size_t most) const {
  std::string text;
  for (std::uint64_t i = tail_start(most); i < count_; ++i) {
    if (is_switch(last_[i % kKept])) continue;
    char line[256];
    text.append(line, static_cast<std::size_t>(format(last_[i % kKept], line, sizeof line)));
  }
  return text;
}

void Trace::write_tail(int descriptor, std::size_t most) const {
  for (std::uint64_t i = tail_start(most); i < count_; ++i) {
    if (is_switch(last_[i % kKept])) continue;
    char line[256];
    const int length = format(last_[i % kKept], line, sizeof line);
    if (write(descriptor, line, static_cast<std::size_t>(length)) < 0) return;
  }
}

}  // namespace ingot::simulator
