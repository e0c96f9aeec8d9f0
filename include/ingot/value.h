/// Bytes read from a store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace ingot {

/// The order in which transactions were committed: each has its own, later ones higher. 0: before the first.
using Version = std::uint64_t;

/// The bytes of a value, kept alive by this object: views into it end with it (or when it is moved).
/// Converts to std::string_view. Up to kInlineBytes are held inside, without memory of their own. As thread-safe as a
/// std::string.
class Value {
 public:
  static constexpr std::size_t kInlineBytes = 104;

  Value() noexcept : size_(0), heap_(nullptr) {}
  explicit Value(std::string_view bytes);
  Value(Value&& other) noexcept;
  Value& operator=(Value&& other) noexcept;
  Value(const Value& other);
  Value& operator=(const Value& other);
  ~Value() { delete[] heap_; }

  [[nodiscard]] const char* data() const noexcept { return heap_ != nullptr ? heap_ : inline_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::string_view view() const noexcept { return {data(), size_}; }
  [[nodiscard]] std::string str() const { return std::string(view()); }
  operator std::string_view() const noexcept { return view(); }  // NOLINT(google-explicit-constructor)

  /// The value as a counter, as `Space::add` keeps it: 8 bytes, little-endian; fewer are extended by zeros,
  /// of more the first 8 count.
  [[nodiscard]] std::int64_t counter() const noexcept;

  /// Makes this value hold `bytes`.
  void assign(std::string_view bytes);

  friend bool operator==(const Value& a, std::string_view b) noexcept { return a.view() == b; }
  friend bool operator==(const Value& a, const Value& b) noexcept { return a.view() == b.view(); }
  friend std::ostream& operator<<(std::ostream& out, const Value& value) { return out << value.view(); }

 private:
  std::size_t size_;
  char* heap_;
  char inline_[kInlineBytes];
};

}  // namespace ingot
