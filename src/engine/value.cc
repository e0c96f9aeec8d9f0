#include "ingot/value.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace ingot {

// heap_ is set exactly when the bytes do not fit inside.

Value::Value(std::string_view bytes) : Value() {
  assign(bytes);
}

Value::Value(const Value& other) : Value() {
  assign(other.view());
}

Value& Value::operator=(const Value& other) {
  if (this != &other) assign(other.view());
  return *this;
}

Value::Value(Value&& other) noexcept : size_(other.size_), heap_(other.heap_) {
  if (heap_ == nullptr && size_ != 0) std::memcpy(inline_, other.inline_, size_);
  other.heap_ = nullptr;
  other.size_ = 0;
}

Value& Value::operator=(Value&& other) noexcept {
  if (this == &other) return *this;
  delete[] heap_;
  size_ = other.size_;
  heap_ = other.heap_;
  if (heap_ == nullptr && size_ != 0) std::memcpy(inline_, other.inline_, size_);
  other.heap_ = nullptr;
  other.size_ = 0;
  return *this;
}

void Value::assign(std::string_view bytes) {
  // `bytes` may be a piece of what is held now, so nothing goes before it is copied.
  if (bytes.size() <= kInlineBytes) {
    if (!bytes.empty()) std::memmove(inline_, bytes.data(), bytes.size());
    delete[] heap_;
    heap_ = nullptr;
  } else if (heap_ != nullptr && bytes.size() <= size_) {
    std::memmove(heap_, bytes.data(), bytes.size());
  } else {
    char* fresh = new char[bytes.size()];
    std::memcpy(fresh, bytes.data(), bytes.size());
    delete[] heap_;
    heap_ = fresh;
  }
  size_ = bytes.size();
}

std::int64_t Value::counter() const noexcept {
  char bytes[8] = {};
  std::memcpy(bytes, data(), std::min(size_, sizeof bytes));
  return static_cast<std::int64_t>(base::load_little<std::uint64_t>(bytes));
}

}  // namespace ingot
