#include "runs/block.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "runs/run_format.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace ingot::runs {

namespace {

constexpr std::uint8_t kKindMask = 3;
constexpr std::uint8_t kExpires = 4;

std::uint32_t head_of(std::string_view rest) {
  char bytes[4] = {};
  std::memcpy(bytes, rest.data(), std::min<std::size_t>(rest.size(), 4));
  return base::load_big32(bytes);
}

std::size_t padded_tags(std::uint32_t count) {
  return (static_cast<std::size_t>(count) + 15) / 16 * 16;
}

// Reads a varint that verify() has seen to be whole.
inline std::uint64_t trusted_varint(const char*& at) {
  auto byte = static_cast<std::uint8_t>(*at++);
  if (byte < 0x80) return byte;
  std::uint64_t value = byte & 0x7f;
  for (int shift = 7;; shift += 7) {
    byte = static_cast<std::uint8_t>(*at++);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

}  // namespace

void BlockBuilder::add(const Record& record, std::uint64_t hash) {
  Entry entry;
  entry.key_at = bytes_.size();
  entry.key_bytes = static_cast<std::uint32_t>(record.key.size());
  entry.value_bytes = static_cast<std::uint32_t>(record.value.size());
  entry.version = record.version;
  entry.expires_micros = record.expires_micros;
  entry.kind = record.kind;
  entry.tag = tag_of(hash);
  bytes_.append(record.key).append(record.value);
  entries_.push_back(entry);
}

std::string_view BlockBuilder::last_key() const {
  return std::string_view(bytes_).substr(entries_.back().key_at, entries_.back().key_bytes);
}

void BlockBuilder::finish(std::string& out) {
  const auto count = static_cast<std::uint32_t>(entries_.size());
  const auto key_of = [&](const Entry& entry) {
    return std::string_view(bytes_).substr(entry.key_at, entry.key_bytes);
  };
  const std::string_view first = key_of(entries_.front());
  const std::string_view last = key_of(entries_.back());
  const auto prefix_bytes = static_cast<std::uint32_t>(
      std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first - first.begin());
  std::uint64_t version_min = entries_.front().version;
  for (const Entry& entry : entries_) version_min = std::min(version_min, entry.version);

  const std::size_t begin = out.size();
  const std::size_t tags = kBlockHeaderBytes;
  const std::size_t heads = tags + padded_tags(count);
  const std::size_t offsets = heads + 4UL * count;
  const std::size_t heap = offsets + 4UL * (count + 1UL);
  out.resize(begin + heap);
  base::store_little(out.data() + begin, count);
  base::store_little(out.data() + begin + 4, prefix_bytes);
  base::store_little(out.data() + begin + 8, version_min);
  base::store_little(out.data() + begin + 16, static_cast<std::uint32_t>(heap));
  out.append(first.substr(0, prefix_bytes));
  for (std::uint32_t i = 0; i < count; ++i) {
    const Entry& entry = entries_[i];
    const std::string_view rest = key_of(entry).substr(prefix_bytes);
    out[begin + tags + i] = static_cast<char>(entry.tag);
    base::store_little(out.data() + begin + heads + 4UL * i, head_of(rest));
    base::store_little(out.data() + begin + offsets + 4UL * i, static_cast<std::uint32_t>(out.size() - begin - heap));
    char header[1 + 2 * base::kVarintBytesMax + 8];
    header[0] = static_cast<char>(static_cast<std::uint8_t>(entry.kind) | (entry.expires_micros != 0 ? kExpires : 0));
    char* end = base::store_varint(header + 1, rest.size());
    end = base::store_varint(end, entry.version - version_min);
    if (entry.expires_micros != 0) {
      base::store_little(end, static_cast<std::uint64_t>(entry.expires_micros));
      end += 8;
    }
    out.append(header, static_cast<std::size_t>(end - header));
    out.append(rest).append(bytes_, entry.key_at + entry.key_bytes, entry.value_bytes);
  }
  base::store_little(out.data() + begin + offsets + 4UL * count, static_cast<std::uint32_t>(out.size() - begin - heap));
  bytes_.clear();
  entries_.clear();
}

bool BlockView::verify(std::string_view bytes) {
  if (bytes.size() < kBlockHeaderBytes || bytes.size() > kBlockBytesMax) return false;
  const auto count = base::load_little<std::uint32_t>(bytes.data());
  const auto prefix_bytes = base::load_little<std::uint32_t>(bytes.data() + 4);
  const auto heap = base::load_little<std::uint32_t>(bytes.data() + 16);
  if (count == 0 || count > bytes.size()) return false;
  const std::size_t offsets = kBlockHeaderBytes + padded_tags(count) + 4UL * count;
  if (heap != offsets + 4UL * (count + 1UL) || heap > bytes.size() || prefix_bytes > bytes.size() - heap) return false;
  const std::size_t heap_bytes = bytes.size() - heap;
  std::uint32_t at = base::load_little<std::uint32_t>(bytes.data() + offsets);
  if (at != prefix_bytes) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto next = base::load_little<std::uint32_t>(bytes.data() + offsets + 4UL * (i + 1UL));
    if (next <= at || next > heap_bytes) return false;
    base::ByteReader entry(bytes.substr(heap + at, next - at));
    std::uint8_t flags = 0;
    std::uint64_t rest_bytes = 0;
    std::uint64_t version = 0;
    std::uint64_t expires = 0;
    if (!entry.take_little(flags) || (flags & ~(kKindMask | kExpires)) != 0 || (flags & kKindMask) == 0 ||
        !entry.take_varint(rest_bytes) || !entry.take_varint(version)) {
      return false;
    }
    if ((flags & kExpires) != 0 && !entry.take_little(expires)) return false;
    if (rest_bytes > entry.remaining()) return false;
    at = next;
  }
  return at == heap_bytes;
}

BlockView::BlockView(const char* bytes)
    : count_(base::load_little<std::uint32_t>(bytes)),
      prefix_bytes_(base::load_little<std::uint32_t>(bytes + 4)),
      version_min_(base::load_little<std::uint64_t>(bytes + 8)),
      tags_(bytes + kBlockHeaderBytes),
      heads_(tags_ + padded_tags(count_)),
      offsets_(heads_ + 4UL * count_),
      heap_(bytes + base::load_little<std::uint32_t>(bytes + 16)) {}

std::string_view BlockView::rest(std::uint32_t index) const {
  const char* at = heap_ + base::load_little<std::uint32_t>(offsets_ + 4UL * index);
  const bool expires = (*at++ & kExpires) != 0;
  const std::uint64_t bytes = trusted_varint(at);
  trusted_varint(at);
  if (expires) at += 8;
  return {at, static_cast<std::size_t>(bytes)};
}

void BlockView::prefetch() const {
  __builtin_prefetch(tags_);
}

std::uint32_t BlockView::find(std::string_view key, std::uint64_t hash) const {
  if (key.size() < prefix_bytes_ || std::memcmp(key.data(), heap_, prefix_bytes_) != 0) return count_;
  const std::string_view wanted = key.substr(prefix_bytes_);
  const std::uint32_t head = head_of(wanted);
  const auto matches = [&](std::uint32_t i) {
    return base::load_little<std::uint32_t>(heads_ + 4UL * i) == head && rest(i) == wanted;
  };
#ifdef __SSE2__
  const __m128i tag = _mm_set1_epi8(static_cast<char>(tag_of(hash)));
  for (std::uint32_t i = 0; i < count_; i += 16) {
    const __m128i tags = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags_ + i));
    auto hits = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(tags, tag)));
    for (; hits != 0; hits &= hits - 1) {
      const std::uint32_t candidate = i + static_cast<std::uint32_t>(std::countr_zero(hits));
      if (candidate < count_ && matches(candidate)) return candidate;
    }
  }
#else
  for (std::uint32_t i = 0; i < count_; ++i) {
    if (static_cast<std::uint8_t>(tags_[i]) == tag_of(hash) && matches(i)) return i;
  }
#endif
  return count_;
}

std::uint32_t BlockView::lower_bound(std::string_view key) const {
  const std::string_view prefix(heap_, prefix_bytes_);
  const int order = key.substr(0, prefix_bytes_).compare(prefix);
  if (order < 0) return 0;  // less than the prefix, or a part of it
  if (order > 0) return count_;
  const std::string_view wanted = key.substr(prefix_bytes_);
  const std::uint32_t head = head_of(wanted);
  // Without branches: the comparison is a coin toss that no predictor learns.
  std::uint32_t first = 0;
  std::uint32_t length = count_;
  while (length > 0) {
    const std::uint32_t half = length / 2;
    const bool less = base::load_little<std::uint32_t>(heads_ + 4UL * (first + half)) < head;
    first = less ? first + half + 1 : first;
    length = less ? length - half - 1 : half;
  }
  // Among equal heads the keys decide.
  std::uint32_t end = first;
  while (end < count_ && base::load_little<std::uint32_t>(heads_ + 4UL * end) == head) {
    ++end;
    if (end - first >= 8) {  // many of them: find their end by halving
      std::uint32_t low = end;
      std::uint32_t high = count_;
      while (low < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        if (base::load_little<std::uint32_t>(heads_ + 4UL * middle) == head) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      end = low;
      break;
    }
  }
  while (first < end) {
    const std::uint32_t middle = first + (end - first) / 2;
    if (rest(middle) < wanted) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return first;
}

void BlockView::read_value(std::uint32_t index, Record& record) const {
  const auto begin = base::load_little<std::uint32_t>(offsets_ + 4UL * index);
  const auto end = base::load_little<std::uint32_t>(offsets_ + 4UL * (index + 1UL));
  const char* at = heap_ + begin;
  const auto flags = static_cast<std::uint8_t>(*at++);
  const std::uint64_t rest_bytes = trusted_varint(at);
  record.version = version_min_ + trusted_varint(at);
  record.kind = static_cast<RecordKind>(flags & kKindMask);
  record.expires_micros = 0;
  if ((flags & kExpires) != 0) {
    record.expires_micros = static_cast<std::int64_t>(base::load_little<std::uint64_t>(at));
    at += 8;
  }
  at += rest_bytes;
  record.value = {at, static_cast<std::size_t>(heap_ + end - at)};
}

void BlockView::read(std::uint32_t index, Record& record, std::string& key, bool same_block) const {
  const auto begin = base::load_little<std::uint32_t>(offsets_ + 4UL * index);
  const auto end = base::load_little<std::uint32_t>(offsets_ + 4UL * (index + 1UL));
  const char* at = heap_ + begin;
  const auto flags = static_cast<std::uint8_t>(*at++);
  const std::uint64_t rest_bytes = trusted_varint(at);
  record.version = version_min_ + trusted_varint(at);
  record.kind = static_cast<RecordKind>(flags & kKindMask);
  record.expires_micros = 0;
  if ((flags & kExpires) != 0) {
    record.expires_micros = static_cast<std::int64_t>(base::load_little<std::uint64_t>(at));
    at += 8;
  }
  if (same_block) {
    key.resize(prefix_bytes_);
  } else {
    key.assign(heap_, prefix_bytes_);
  }
  key.append(at, static_cast<std::size_t>(rest_bytes));
  at += rest_bytes;
  record.key = key;
  record.value = {at, static_cast<std::size_t>(heap_ + end - at)};
}

}  // namespace ingot::runs
