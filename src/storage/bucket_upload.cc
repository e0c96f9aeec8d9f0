#include "storage/bucket_upload.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

#include "base/testing.h"
#include "base/thread.h"
#include "storage/bucket_files.h"

namespace ingot::storage {

namespace {

constexpr std::size_t kPartBytes = BucketFiles::kPartBytes;
constexpr std::size_t kPartsAtOnce = BucketFiles::kPartsAtOnce;
constexpr std::size_t kPartsMax = 10'000;  // S3's limit
constexpr base::Duration kAbortPatience = std::chrono::seconds(20);

static_assert(kPartBytes >= kPartBytesMin);
static_assert(kPartBytes % DiskCache::kChunkBytes == 0, "parts of the disk cache's files, whole chunks each");

// A date that is not later than the one which the bucket gave to what it made: the one that was `known` before the
// first of the requests that may have made it was `sent`, else by the answer's and how long ago that was (which is not
// right for a machine that stood still meanwhile).
std::optional<BucketDate> date_before(const std::optional<BucketDate>& known, const Answer& answer,
                                      base::Instant sent) {
  if (known.has_value()) return known;
  if (!answer.date.has_value()) return std::nullopt;
  return *answer.date - std::chrono::ceil<std::chrono::seconds>(base::now() - sent) - std::chrono::seconds(1);
}

// What the parts of one upload share with the threads that put them.
struct Upload {
  Upload(UploadPlace where, std::string its_key)
      : place(std::move(where)),
        key(std::move(its_key)),
        cached(place.cache == nullptr ? nullptr : place.cache->object(place.store_id, key)) {}

  [[nodiscard]] std::optional<BucketDate> known_time() const { return place.clock ? place.clock() : std::nullopt; }

  const UploadPlace place;
  const std::string key;
  const std::unique_ptr<DiskCache::Object> cached;
  std::string id;  // empty: not begun

  base::Mutex mutex;
  base::ConditionVariable changed;
  // Guarded by the mutex:
  std::size_t under_way = 0;
  bool is_given_up = false;
  IoError error;
  std::vector<std::string> tags;

  [[nodiscard]] Retry retry() const { return {place.stop, base::deadline_after(base::now(), place.patience)}; }
  [[nodiscard]] IoError stopped() const { return place.stop.stopped() ? IoError(ECANCELED) : IoError(); }
  void keep_in_cache(std::uint64_t offset, std::string_view bytes) const;
  void put_part(std::uint32_t number, const std::string& bytes);
  void fail(const IoError& failed);
  void abort() const;
};

// A part that the pool has. However it ends (put, failed, or never begun because the pool is closing), the upload hears
// of it.
struct PartUnderWay {
  PartUnderWay(std::shared_ptr<Upload> its_upload, std::uint32_t its_number, std::string its_bytes)
      : upload(std::move(its_upload)), number(its_number), bytes(std::move(its_bytes)) {}
  ~PartUnderWay();
  PartUnderWay(const PartUnderWay&) = delete;
  PartUnderWay& operator=(const PartUnderWay&) = delete;

  const std::shared_ptr<Upload> upload;
  const std::uint32_t number;
  const std::string bytes;
};

void Upload::keep_in_cache(std::uint64_t offset, std::string_view bytes) const {
  if (cached == nullptr) return;
  for (std::size_t at = 0; at < bytes.size(); at += DiskCache::kChunkBytes) {
    if (!cached->write((offset + at) / DiskCache::kChunkBytes, bytes.substr(at, DiskCache::kChunkBytes))) return;
  }
}

void Upload::put_part(std::uint32_t number, const std::string& bytes) {
  Retry again = retry();
  for (;;) {
    {
      const std::lock_guard lock(mutex);
      if (is_given_up || error) return;
    }
    if (const IoError error_of_all = stopped()) return fail(error_of_all);
    const Part part = place.bucket.put_part(key, id, number, bytes, again.try_until(bytes.size()));
    if (part.outcome == Outcome::done) {
      keep_in_cache(std::uint64_t{number - 1} * kPartBytes, bytes);
      const std::lock_guard lock(mutex);
      tags[number - 1] = part.tag;
      return;
    }
    // The upload is gone: somebody aborted it, as lifecycle rules do.
    if (part.outcome == Outcome::absent) return fail(IoError(EIO));
    if (!again.again(part)) return fail(again.error());
  }
}

void Upload::fail(const IoError& failed) {
  const std::lock_guard lock(mutex);
  if (!error) error = failed;
}

void Upload::abort() const {
  Retry again(place.stop, base::deadline_after(base::now(), kAbortPatience));
  for (;;) {  // once, even if it is to stop
    const Answer answer = place.bucket.abort_upload(key, id, again.try_until(0));
    if (answer.outcome == Outcome::done || !again.again(answer)) return;
  }
}

PartUnderWay::~PartUnderWay() {
  bool is_last = false;
  {
    const std::lock_guard lock(upload->mutex);
    if (upload->tags[number - 1].empty() && !upload->error) upload->error = IoError(ECANCELED);
    is_last = --upload->under_way == 0 && upload->is_given_up;
    upload->changed.notify_all();
  }
  // What is put after the abort could stay, so it waits for the last part.
  try {
    if (is_last) upload->abort();
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): whoever sweeps will find it
  }
}

class UploadFile final : public File {
 public:
  UploadFile(const UploadPlace& place, std::string_view key, std::function<void(const Written&)> ended)
      : upload_(std::make_shared<Upload>(place, std::string(key))), ended_(std::move(ended)) {}
  ~UploadFile() override;
  UploadFile(const UploadFile&) = delete;
  UploadFile& operator=(const UploadFile&) = delete;

  IoError write_at(std::uint64_t offset, std::string_view bytes) override;
  IoError sync() override;
  IoError sync_data() override { return sync(); }
  IoError size(std::uint64_t& bytes) override {
    bytes = size_;
    return {};
  }

  IoError read_at(std::uint64_t /*offset*/, std::span<char> /*out*/, std::size_t& got) override {
    got = 0;
    return IoError(EBADF);
  }
  IoError truncate(std::uint64_t /*bytes*/) override { return IoError(ENOTSUP); }
  IoError try_lock(std::uint64_t /*offset*/, std::uint64_t /*bytes*/, LockMode /*mode*/, bool& /*taken*/) override {
    return IoError(ENOTSUP);
  }
  IoError unlock(std::uint64_t /*offset*/, std::uint64_t /*bytes*/) override { return IoError(ENOTSUP); }
  IoError is_locked(std::uint64_t /*offset*/, std::uint64_t /*bytes*/, bool& /*locked*/) override {
    return IoError(ENOTSUP);
  }

 private:
  IoError fail(const IoError& error) {
    if (error) error_ = error;
    return error;
  }
  // What was sent may have taken effect, or still will, whatever the answer says: the wire may have another copy.
  void note(const Answer& answer) {
    if (answer.outcome != Outcome::unsent && answer.outcome != Outcome::refused) written_.may_be_there = true;
  }
  IoError begin();
  IoError send_part(std::string bytes);
  IoError put_whole();
  IoError finish();
  IoError look_for_it(bool& is_there);
  // Until at most so many parts are under way.
  IoError wait_for_parts(std::size_t most);

  const std::shared_ptr<Upload> upload_;
  const std::function<void(const Written&)> ended_;
  std::string buffer_;  // not sent yet
  std::uint64_t size_ = 0;
  IoError error_;
  Written written_;
};

UploadFile::~UploadFile() {
  if (written_.is_finished) return;
  Upload& upload = *upload_;
  bool is_idle = false;
  {
    const std::lock_guard lock(upload.mutex);
    upload.is_given_up = true;
    is_idle = upload.under_way == 0;
  }
  if (upload.cached != nullptr && size_ > buffer_.size()) upload.place.cache->remove(upload.place.store_id, upload.key);
  // An end that was not answered may still come: then there is nothing to abort, and else it comes to nothing.
  if (!upload.id.empty()) {
    base::probe("bucket files: an upload was given up");
    try {
      if (is_idle) upload.place.tasks.start(Urgency::bulk, [kept = upload_] { kept->abort(); });
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): whoever sweeps will find it
    }
  }
  ended_(written_);
}

IoError UploadFile::write_at(std::uint64_t offset, std::string_view bytes) {
  if (error_) return error_;
  if (written_.is_finished || offset != size_) return IoError(EINVAL);
  while (!bytes.empty()) {
    if (buffer_.size() == kPartBytes) {
      if (const IoError error = send_part(std::exchange(buffer_, {}))) return fail(error);
    }
    const std::size_t count = std::min(bytes.size(), kPartBytes - buffer_.size());
    if (buffer_.size() + count > kPartBytes / 8) buffer_.reserve(kPartBytes);
    buffer_.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    size_ += count;
  }
  return {};
}

IoError UploadFile::sync() {
  if (error_) return error_;
  if (written_.is_finished) return {};
  if (const IoError error = upload_->id.empty() ? put_whole() : finish()) return fail(error);
  written_.is_finished = true;
  ended_(written_);
  return {};
}

IoError UploadFile::put_whole() {
  Upload& upload = *upload_;
  Retry again = upload.retry();
  const base::Instant sent = base::now();
  const std::optional<BucketDate> known = upload.known_time();
  for (;;) {
    if (const IoError stopped = upload.stopped()) return stopped;
    const Answer answer =
        upload.place.bucket.put(upload.key, buffer_, PutMode::replace, {}, again.try_until(buffer_.size()));
    const bool is_silent = answer.outcome == Outcome::unanswered && base::broken(base::Break::upload_trust_silence);
    if (answer.outcome == Outcome::done || is_silent) {
      written_.begun = date_before(known, answer, sent);
      upload.keep_in_cache(0, buffer_);
      buffer_ = {};
      return {};
    }
    note(answer);
    if (!again.again(answer)) return again.error();
  }
}

IoError UploadFile::begin() {
  Upload& upload = *upload_;
  Retry again = upload.retry();
  for (;;) {
    if (const IoError stopped = upload.stopped()) return stopped;
    const base::Instant sent = base::now();
    const std::optional<BucketDate> known = upload.known_time();
    const storage::Upload begun = upload.place.bucket.begin_upload(upload.key, again.try_until(0));
    if (begun.outcome == Outcome::done) {
      upload.id = begun.id;
      written_.begun = date_before(known, begun, sent);
      return {};
    }
    if (!again.again(begun)) return again.error();
  }
}

IoError UploadFile::send_part(std::string bytes) {
  Upload& upload = *upload_;
  if (upload.id.empty()) {
    if (const IoError error = begin()) return error;
  }
  if (const IoError error = wait_for_parts(kPartsAtOnce - 1)) return error;
  std::uint32_t number = 0;
  {
    const std::lock_guard lock(upload.mutex);
    if (upload.tags.size() == kPartsMax) return IoError(EFBIG);
    upload.tags.emplace_back();
    number = static_cast<std::uint32_t>(upload.tags.size());
    ++upload.under_way;
  }
  auto part = std::make_shared<PartUnderWay>(upload_, number, std::move(bytes));
  upload.place.tasks.start(Urgency::bulk, [part] { part->upload->put_part(part->number, part->bytes); });
  return {};
}

IoError UploadFile::wait_for_parts(std::size_t most) {
  Upload& upload = *upload_;
  std::unique_lock lock(upload.mutex);
  while (!upload.error && upload.under_way > most) upload.changed.wait(lock);
  return upload.error;
}

IoError UploadFile::finish() {
  Upload& upload = *upload_;
  if (!buffer_.empty()) {
    if (const IoError error = send_part(std::exchange(buffer_, {}))) return error;
  }
  if (const IoError error = wait_for_parts(0)) return error;
  Retry again = upload.retry();
  for (;;) {
    if (const IoError stopped = upload.stopped()) return stopped;
    const Answer answer = upload.place.bucket.finish_upload(upload.key, upload.id, upload.tags, again.try_until(0));
    if (answer.outcome == Outcome::done) return {};
    const bool is_open = answer.outcome == Outcome::failed || answer.outcome == Outcome::unanswered;
    if (is_open && base::broken(base::Break::upload_trust_silence)) return {};
    note(answer);
    if (is_open || answer.outcome == Outcome::absent) {
      bool is_there = false;
      const IoError error = look_for_it(is_there);
      if (is_there) {
        base::probe("bucket files: an upload was finished, though nobody said so");
        return {};
      }
      // No upload, and no object: somebody aborted it.
      if (answer.outcome == Outcome::absent) return error ? error : IoError(EIO);
    }
    if (!again.again(answer)) return again.error();
  }
}

IoError UploadFile::look_for_it(bool& is_there) {
  Upload& upload = *upload_;
  Retry again = upload.retry();
  for (;;) {
    if (const IoError stopped = upload.stopped()) return stopped;
    const Got got = upload.place.bucket.get(upload.key, {0, 1}, again.try_until(1));
    is_there = got.outcome == Outcome::done && got.object_bytes == size_;
    if (got.outcome == Outcome::done || got.outcome == Outcome::absent) return {};
    if (!again.again(got)) return again.error();
  }
}

}  // namespace

std::unique_ptr<File> make_upload(const UploadPlace& place, std::string_view key,
                                  std::function<void(const Written&)> ended) {
  return std::make_unique<UploadFile>(place, key, std::move(ended));
}

}  // namespace ingot::storage
