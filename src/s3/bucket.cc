#include "s3/bucket.h"

#include <cassert>
#include <new>
#include <utility>

#include "base/testing.h"
#include "s3/answers.h"
#include "s3/encoding.h"
#include "s3/open_bucket.h"
#include "s3/xml.h"

namespace ingot::s3 {

namespace {

using storage::Outcome;

// What S3 takes in one piece; nothing of ours is larger.
constexpr std::size_t kObjectBytesMax = 5ULL << 30;
// A page has 1000 entries at most, and a key 1024 bytes, each of which may be written as three.
constexpr std::size_t kPageBytesMax = 16 << 20;

// The answer's part of a result.
template <class Result>
Result from(storage::Answer answer) {
  Result result;
  static_cast<storage::Answer&>(result) = std::move(answer);
  return result;
}

// It was done, but what it says makes no sense.
void fail(storage::Answer& answer, const HttpAnswer& http, std::string_view reason) {
  answer.outcome = Outcome::failed;
  answer.why = std::to_string(http.status).append(", but ").append(reason);
}

// No last byte if there can be none so far away, for servers' own arithmetic.
std::string range_header(const storage::ByteRange& range) {
  std::string value = "bytes=" + std::to_string(range.offset) + "-";
  if (range.bytes <= kObjectBytesMax) value += std::to_string(range.offset + range.bytes - 1);
  return value;
}

bool is_whole(const storage::ByteRange& range) {
  return range.offset == 0 && range.bytes == ~0ULL;
}

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t object_bytes = 0;
};

// "bytes 0-9/100"
std::optional<ContentRange> parse_content_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (!text.starts_with("bytes ") || dash == std::string_view::npos || slash == std::string_view::npos ||
      slash < dash) {
    return std::nullopt;
  }
  const auto first = decimal(text.substr(6, dash - 6));
  const auto last = decimal(text.substr(dash + 1, slash - dash - 1));
  const auto object_bytes = decimal(text.substr(slash + 1));
  if (!first || !last || !object_bytes || *first > *last || *last >= *object_bytes) return std::nullopt;
  return ContentRange{*first, *last, *object_bytes};
}

// A part, as it was asked for.
void take_part(storage::Got& got, HttpAnswer& http, const storage::ByteRange& range) {
  const std::optional<ContentRange> part = parse_content_range(http.header("content-range"));
  if (!part || part->first != range.offset || part->last - part->first + 1 != http.body.size() ||
      http.body.size() != std::min(range.bytes, part->object_bytes - part->first)) {
    return fail(got, http, "its Content-Range is not what was asked for");
  }
  got.object_bytes = part->object_bytes;
  got.bytes = std::move(http.body);
}

// The whole object, of which (by a server that knows no ranges) a part was asked for.
void take_whole(storage::Got& got, HttpAnswer& http, const storage::ByteRange& range) {
  got.object_bytes = http.body.size();
  if (is_whole(range)) {
    got.bytes = std::move(http.body);
  } else if (range.offset < http.body.size()) {
    base::probe("s3: a server that knows no ranges");
    got.bytes = http.body.substr(range.offset, range.bytes);
  }
}

std::string completion(const std::vector<std::string>& tags) {
  std::string body = "<CompleteMultipartUpload>";
  for (std::size_t index = 0; index < tags.size(); ++index) {
    body.append("<Part><PartNumber>").append(std::to_string(index + 1)).append("</PartNumber><ETag>");
    body.append(xml_escaped(tags[index])).append("</ETag></Part>");
  }
  return body.append("</CompleteMultipartUpload>");
}

// The two markers of a page of uploads, as one text.
std::string join_markers(const UploadsPage& page) {
  return uri_encode(page.next_key, Slashes::encoded) + "/" + uri_encode(page.next_id, Slashes::encoded);
}

void add_markers(Query& query, std::string_view continuation) {
  if (continuation.empty()) return;
  const std::size_t slash = continuation.find('/');
  assert(slash != std::string_view::npos);
  query.emplace_back("key-marker", uri_decode(continuation.substr(0, slash)).value_or(""));
  query.emplace_back("upload-id-marker", uri_decode(continuation.substr(slash + 1)).value_or(""));
}

}  // namespace

std::unique_ptr<storage::Bucket> open_bucket(const std::string& where, Settings settings) {
  Location location = parse_location(where);
  Environment environment = settings.environment ? *std::move(settings.environment) : process_environment();
  return std::make_unique<S3Bucket>(std::move(location), configure(std::move(environment)));
}

S3Bucket::S3Bucket(Location location, Configuration configuration)
    : location_(std::move(location)),
      key_prefix_(location_.key_prefix()),
      sender_(location_, std::move(configuration)) {}

bool S3Bucket::make_relative(std::string& key, std::string_view prefix) const {
  if (!key.starts_with(key_prefix_)) return false;
  key.erase(0, key_prefix_.size());
  return key.starts_with(prefix);
}

S3Bucket::Kind S3Bucket::kind_of(Verb verb) {
  switch (verb) {
    case Verb::get:
      return kGet;
    case Verb::list:
    case Verb::list_uploads:
      return kList;
    case Verb::remove:
    case Verb::abort_upload:
      return kRemove;
    default:
      return kPut;
  }
}

S3Bucket::Reply S3Bucket::send(Verb verb, const Call& call) {
  Sent sent = sender_.send(call);
  requests_[kind_of(verb)] += sent.requests;
  bytes_sent_ += sent.requests * call.body.size();
  bytes_received_ += sent.http.body.size();
  Reply reply{answer_of(verb, sent.http, sent.error, sender_.clock().now()), std::move(sent.http)};
  // Our own date was wrong, and again: the servers don't agree about the time, or it takes too long to get there.
  if (reply.answer.outcome == Outcome::too_late && !call.signed_at) reply.answer.outcome = Outcome::throttled;
  return reply;
}

template <class Try>
auto S3Bucket::settled(Try&& attempt) -> decltype(attempt()) {
  decltype(attempt()) result;
  try {
    result = attempt();
  } catch (const std::bad_alloc&) {
    result = {};
    result.outcome = Outcome::unanswered;
    result.why = "out of memory";
  }
  if (result.outcome == Outcome::failed || result.outcome == Outcome::unanswered) ++undecided_;
  if (result.outcome == Outcome::throttled) ++throttled_;
  return result;
}

storage::Answer S3Bucket::put(std::string_view key, std::string_view bytes, storage::PutMode mode,
                              std::optional<storage::BucketDate> signed_at, base::Instant deadline) {
  return settled([&] { return try_put(key, bytes, mode, signed_at, deadline); });
}

storage::Got S3Bucket::get(std::string_view key, storage::ByteRange range, base::Instant deadline) {
  return settled([&] { return try_get(key, range, deadline); });
}

storage::Listing S3Bucket::list(std::string_view prefix, std::string_view continuation, base::Instant deadline) {
  return settled([&] { return try_list(prefix, continuation, deadline); });
}

storage::Answer S3Bucket::remove(std::string_view key, base::Instant deadline) {
  return settled([&] { return try_delete(Verb::remove, key, {}, deadline); });
}

storage::Upload S3Bucket::begin_upload(std::string_view key, base::Instant deadline) {
  return settled([&] { return try_begin(key, deadline); });
}

storage::Part S3Bucket::put_part(std::string_view key, std::string_view id, std::uint32_t number,
                                 std::string_view bytes, base::Instant deadline) {
  return settled([&] { return try_part(key, id, number, bytes, deadline); });
}

storage::Answer S3Bucket::finish_upload(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                                        base::Instant deadline) {
  return settled([&] { return try_finish(key, id, tags, deadline); });
}

storage::Answer S3Bucket::abort_upload(std::string_view key, std::string_view id, base::Instant deadline) {
  assert(!id.empty());
  return settled([&] { return try_delete(Verb::abort_upload, key, {{"uploadId", std::string(id)}}, deadline); });
}

storage::OpenUploads S3Bucket::list_uploads(std::string_view prefix, std::string_view continuation,
                                            base::Instant deadline) {
  return settled([&] { return try_list_uploads(prefix, continuation, deadline); });
}

storage::Answer S3Bucket::try_put(std::string_view key, std::string_view bytes, storage::PutMode mode,
                                  std::optional<storage::BucketDate> signed_at, base::Instant deadline) {
  assert(!key.empty() && key.size() <= storage::kObjectKeyBytesMax);
  const bool creates = mode == storage::PutMode::create;
  Call call;
  call.method = "PUT";
  call.key = full_key(key);
  call.body = bytes;
  call.signed_at = signed_at;
  call.deadline = deadline;
  if (creates) call.headers.push_back({"if-none-match", "*"});  // signed: nobody on the way can take it off
  return send(creates ? Verb::create : Verb::replace, call).answer;
}

storage::Got S3Bucket::try_get(std::string_view key, storage::ByteRange range, base::Instant deadline) {
  assert(!key.empty() && range.bytes > 0);
  Call call;
  call.key = full_key(key);
  call.answer_bytes_max = kObjectBytesMax;
  call.deadline = deadline;
  if (!is_whole(range)) call.headers.push_back({"range", range_header(range)});
  Reply reply = send(Verb::get, call);
  auto got = from<storage::Got>(std::move(reply.answer));
  if (got.outcome != Outcome::done || reply.http.status == 416) return got;
  if (reply.http.status == 206 && !is_whole(range)) {
    take_part(got, reply.http, range);
  } else if (reply.http.status == 200) {
    take_whole(got, reply.http, range);
  } else {
    fail(got, reply.http, "that is no answer to this request");
  }
  return got;
}

storage::Listing S3Bucket::try_list(std::string_view prefix, std::string_view continuation, base::Instant deadline) {
  Call call;
  call.query = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", full_key(prefix)}};
  if (!continuation.empty()) call.query.emplace_back("continuation-token", continuation);
  call.answer_bytes_max = kPageBytesMax;
  call.deadline = deadline;
  Reply reply = send(Verb::list, call);
  auto listing = from<storage::Listing>(std::move(reply.answer));
  if (listing.outcome != Outcome::done) return listing;

  std::optional<ListPage> page = parse_list(reply.http.body);
  if (!page) {
    fail(listing, reply.http, "its body is no listing");
    return listing;
  }
  for (storage::ListedObject& object : page->objects) {
    if (make_relative(object.key, prefix)) continue;
    fail(listing, reply.http, "it lists what is not under the prefix");
    return listing;
  }
  if (!continuation.empty() && page->continuation == continuation) {
    fail(listing, reply.http, "it is the same page again: this server does not list in pages");
    return listing;
  }
  listing.objects = std::move(page->objects);
  listing.continuation = std::move(page->continuation);
  return listing;
}

storage::Answer S3Bucket::try_delete(Verb verb, std::string_view key, Query query, base::Instant deadline) {
  assert(!key.empty());
  Call call;
  call.method = "DELETE";
  call.key = full_key(key);
  call.query = std::move(query);
  call.deadline = deadline;
  return send(verb, call).answer;
}

storage::Upload S3Bucket::try_begin(std::string_view key, base::Instant deadline) {
  assert(!key.empty() && key.size() <= storage::kObjectKeyBytesMax);
  Call call;
  call.method = "POST";
  call.key = full_key(key);
  call.query = {{"uploads", ""}};
  call.deadline = deadline;
  Reply reply = send(Verb::begin_upload, call);
  auto upload = from<storage::Upload>(std::move(reply.answer));
  if (upload.outcome != Outcome::done) return upload;
  std::optional<std::string> id = parse_upload_id(reply.http.body);
  if (id) {
    upload.id = *std::move(id);
  } else {
    fail(upload, reply.http, "its body has no UploadId");
  }
  return upload;
}

storage::Part S3Bucket::try_part(std::string_view key, std::string_view id, std::uint32_t number,
                                 std::string_view bytes, base::Instant deadline) {
  assert(!key.empty() && !id.empty() && number > 0);
  Call call;
  call.method = "PUT";
  call.key = full_key(key);
  call.query = {{"partNumber", std::to_string(number)}, {"uploadId", std::string(id)}};
  call.body = bytes;
  call.deadline = deadline;
  Reply reply = send(Verb::put_part, call);
  auto part = from<storage::Part>(std::move(reply.answer));
  if (part.outcome != Outcome::done) return part;
  part.tag = reply.http.header("etag");
  if (part.tag.empty()) fail(part, reply.http, "it has no ETag");
  return part;
}

storage::Answer S3Bucket::try_finish(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                                     base::Instant deadline) {
  assert(!key.empty() && !id.empty() && !tags.empty());
  const std::string body = completion(tags);
  Call call;
  call.method = "POST";
  call.key = full_key(key);
  call.query = {{"uploadId", std::string(id)}};
  call.headers.push_back({"content-type", "application/xml"});
  call.body = body;
  call.deadline = deadline;
  Reply reply = send(Verb::finish_upload, call);
  storage::Answer& answer = reply.answer;
  if (answer.outcome != Outcome::done || is_completion(reply.http.body)) return answer;

  // The status goes out before S3 has put the parts together, and then the body says how that ended.
  base::probe("s3: an upload's end is in its body");
  const ServiceError error = parse_error(reply.http.body);
  if (error.code == "NoSuchUpload") {
    answer.outcome = Outcome::absent;
  } else {
    answer.outcome = error.code.empty() ? Outcome::unanswered : Outcome::failed;
  }
  answer.why = error.code.empty() ? "200, but its body does not say how it ended"
                                  : "200, and then " + error.code + ": " + error.message;
  return answer;
}

storage::OpenUploads S3Bucket::try_list_uploads(std::string_view prefix, std::string_view continuation,
                                                base::Instant deadline) {
  Call call;
  call.query = {{"uploads", ""}, {"encoding-type", "url"}, {"prefix", full_key(prefix)}};
  add_markers(call.query, continuation);
  call.answer_bytes_max = kPageBytesMax;
  call.deadline = deadline;
  Reply reply = send(Verb::list_uploads, call);
  auto uploads = from<storage::OpenUploads>(std::move(reply.answer));
  if (uploads.outcome != Outcome::done) return uploads;

  std::optional<UploadsPage> page = parse_uploads(reply.http.body);
  if (!page) {
    fail(uploads, reply.http, "its body is no list of uploads");
    return uploads;
  }
  for (storage::OpenUpload& upload : page->uploads) {
    if (make_relative(upload.key, prefix)) continue;
    fail(uploads, reply.http, "it lists what is not under the prefix");
    return uploads;
  }
  std::string next = page->is_last ? std::string() : join_markers(*page);
  if (!continuation.empty() && next == continuation) {
    fail(uploads, reply.http, "it is the same page again: this server does not list in pages");
    return uploads;
  }
  uploads.uploads = std::move(page->uploads);
  uploads.continuation = std::move(next);
  return uploads;
}

storage::BucketCounts S3Bucket::counts() const {
  storage::BucketCounts counts;
  counts.puts = requests_[kPut];
  counts.gets = requests_[kGet];
  counts.lists = requests_[kList];
  counts.removes = requests_[kRemove];
  counts.bytes_sent = bytes_sent_;
  counts.bytes_received = bytes_received_;
  counts.undecided = undecided_;
  counts.throttled = throttled_;
  return counts;
}

}  // namespace ingot::s3
