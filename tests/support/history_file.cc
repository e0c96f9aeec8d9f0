// Histories in files: see Recorder.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <unordered_map>

#include "support/history.h"

namespace ingot::history {

namespace {

constexpr char kIntent = 'i';
constexpr char kReturn = 'r';
constexpr std::size_t kFrameHeaderBytes = 16;

class Writer {
 public:
  explicit Writer(char kind) { bytes_.push_back(kind); }
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      bytes_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    bytes_.push_back(static_cast<char>(value));
  }
  void bytes(const std::string& value) {
    number(value.size());
    bytes_ += value;
  }
  std::string bytes_;
};

// Takes what Writer wrote. After a failure everything taken is 0 or empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail();
    return 0;
  }
  // Of things that take a byte or more each.
  std::size_t count() {
    const std::uint64_t value = number();
    if (value > bytes_.size()) fail();
    return good_ ? static_cast<std::size_t>(value) : 0;
  }
  std::string bytes() {
    const std::size_t size = count();
    std::string value(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return value;
  }
  [[nodiscard]] bool done() const { return good_ && bytes_.empty(); }

 private:
  void fail() {
    good_ = false;
    bytes_ = {};
  }
  std::string_view bytes_;
  bool good_ = true;
};

std::string encode_intent(const Transaction& transaction) {
  Writer out(kIntent);
  out.number(transaction.id);
  out.number(transaction.process);
  out.number(static_cast<std::uint64_t>(transaction.invoked));
  out.number(transaction.snapshot);
  out.number(transaction.fresh ? 1 : 0);
  out.bytes(transaction.marker);
  out.number(transaction.reads.size());
  for (const PointRead& read : transaction.reads) {
    out.bytes(read.key);
    out.number((read.value.has_value() ? 1U : 0U) | (read.validated ? 2U : 0U));
    out.number(read.value.value_or(0));
  }
  out.number(transaction.ranges.size());
  for (const RangeRead& range : transaction.ranges) {
    out.bytes(range.begin);
    out.bytes(range.end);
    out.number(range.validated ? 1 : 0);
    out.number(range.records.size());
    for (const auto& [key, value] : range.records) {
      out.bytes(key);
      out.number(value);
    }
  }
  out.number(transaction.writes.size());
  for (const Write& write : transaction.writes) {
    out.number(static_cast<std::uint64_t>(write.kind));
    out.bytes(write.key);
    out.bytes(write.value);
    out.number(static_cast<std::uint64_t>(write.delta));
  }
  out.number(transaction.lists.size());
  for (const ListRead& list : transaction.lists) {
    out.bytes(list.key);
    out.number(list.ids.size());
    for (const std::uint64_t id : list.ids) out.number(id);
  }
  out.number(transaction.appends.size());
  for (const std::string& key : transaction.appends) out.bytes(key);
  return std::move(out.bytes_);
}

bool decode_intent(Reader& in, Transaction& transaction) {
  transaction.id = in.number();
  transaction.process = static_cast<std::uint32_t>(in.number());
  transaction.invoked = static_cast<std::int64_t>(in.number());
  transaction.snapshot = in.number();
  transaction.fresh = in.number() != 0;
  transaction.marker = in.bytes();
  for (std::size_t n = in.count(); n != 0; --n) {
    PointRead read;
    read.key = in.bytes();
    const std::uint64_t flags = in.number();
    const std::uint64_t value = in.number();
    if ((flags & 1) != 0) read.value = value;
    read.validated = (flags & 2) != 0;
    transaction.reads.push_back(std::move(read));
  }
  for (std::size_t n = in.count(); n != 0; --n) {
    RangeRead range;
    range.begin = in.bytes();
    range.end = in.bytes();
    range.validated = in.number() != 0;
    for (std::size_t m = in.count(); m != 0; --m) {
      std::string key = in.bytes();
      range.records.emplace_back(std::move(key), in.number());
    }
    transaction.ranges.push_back(std::move(range));
  }
  for (std::size_t n = in.count(); n != 0; --n) {
    Write write;
    const std::uint64_t kind = in.number();
    if (kind < 1 || kind > 4) return false;
    write.kind = static_cast<Write::Kind>(kind);
    write.key = in.bytes();
    write.value = in.bytes();
    write.delta = static_cast<std::int64_t>(in.number());
    transaction.writes.push_back(std::move(write));
  }
  for (std::size_t n = in.count(); n != 0; --n) {
    ListRead list;
    list.key = in.bytes();
    for (std::size_t m = in.count(); m != 0; --m) list.ids.push_back(in.number());
    transaction.lists.push_back(std::move(list));
  }
  for (std::size_t n = in.count(); n != 0; --n) transaction.appends.push_back(in.bytes());
  return in.done();
}

std::uint64_t load(const char* from, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

void store(std::string& to, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) to.push_back(static_cast<char>(value >> (8 * i)));
}

class FileReader {
 public:
  FileReader(std::vector<Transaction>& history, std::vector<Violation>& violations)
      : history_(history), violations_(violations) {}

  void read(const std::string& path) {
    path_ = path;
    by_id_.clear();
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      complain("can't be opened", 0);
      return;
    }
    const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    std::size_t at = 0;
    while (bytes.size() - at >= kFrameHeaderBytes) {
      const std::uint64_t size = load(&bytes[at], 4);
      if ((~size & 0xffffffffU) != load(&bytes[at + 4], 4)) {
        complain("has a damaged frame", at);
        return;
      }
      if (size > bytes.size() - at - kFrameHeaderBytes) return;  // cut off at the end
      const std::string_view payload(&bytes[at + kFrameHeaderBytes], size);
      if (digest(payload) != load(&bytes[at + 8], 8) || !take(payload)) {
        complain("has a damaged frame", at);
        return;
      }
      at += kFrameHeaderBytes + size;
    }
  }

 private:
  void complain(const char* what, std::size_t at) {
    violations_.push_back({Violation::Kind::malformed, "the history " + path_ + " " + what + " at byte " +
                                                           std::to_string(at) + "; what follows is left out"});
  }

  bool take(std::string_view payload) {
    if (payload.empty()) return false;
    Reader in(payload.substr(1));
    if (payload.front() == kIntent) {
      Transaction transaction;
      if (!decode_intent(in, transaction)) return false;
      by_id_[transaction.id] = history_.size();
      history_.push_back(std::move(transaction));
      return true;
    }
    if (payload.front() != kReturn) return false;
    const auto found = by_id_.find(in.number());
    const auto returned = static_cast<std::int64_t>(in.number());
    const std::uint64_t outcome = in.number();
    const std::uint64_t version = in.number();
    if (found == by_id_.end() || outcome < 1 || outcome > 3 || !in.done()) return false;
    Transaction& transaction = history_[found->second];
    transaction.returned = returned;
    transaction.outcome = static_cast<Outcome>(outcome);
    transaction.version = version;
    return true;
  }

  std::vector<Transaction>& history_;
  std::vector<Violation>& violations_;
  std::string path_;
  std::unordered_map<std::uint64_t, std::size_t> by_id_;
};

}  // namespace

Recorder::Recorder(const std::string& path)
    : descriptor_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) throw std::runtime_error("history " + path + ": " + std::strerror(errno));
}

Recorder::~Recorder() {
  close(descriptor_);
}

void Recorder::append(const std::string& payload) {
  if (payload.size() > 0xffffffffU) throw std::runtime_error("history: a transaction of more than 4 GiB");
  std::string frame;
  store(frame, payload.size(), 4);
  store(frame, ~static_cast<std::uint64_t>(payload.size()), 4);
  store(frame, digest(payload), 8);
  frame += payload;
  for (std::size_t done = 0; done < frame.size();) {
    const ssize_t written = write(descriptor_, frame.data() + done, frame.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw std::runtime_error(std::string("history: ") + std::strerror(errno));
    done += static_cast<std::size_t>(written);
  }
}

void Recorder::intend(const Transaction& transaction) {
  append(encode_intent(transaction));
}

void Recorder::returned(const Transaction& transaction) {
  Writer out(kReturn);
  out.number(transaction.id);
  out.number(static_cast<std::uint64_t>(transaction.returned));
  out.number(static_cast<std::uint64_t>(transaction.outcome));
  out.number(transaction.version);
  append(out.bytes_);
}

std::vector<Transaction> read_history(const std::vector<std::string>& paths, std::vector<Violation>& violations) {
  std::vector<Transaction> history;
  FileReader reader(history, violations);
  for (const std::string& path : paths) reader.read(path);
  return history;
}

}  // namespace ingot::history
