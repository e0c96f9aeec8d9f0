// What the simulated object store does with a request that has reached it, at one instant. What befalls requests on
// their way is in bucket.cc.
#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "bucket.h"

namespace ingot::simulator {

using storage::Answer;
using storage::Outcome;

namespace {

std::string tag_of(std::string_view part) {
  return std::to_string(base::hash64(part));
}

void say(Answer& answer, Outcome outcome, const char* why) {
  answer.outcome = outcome;
  answer.why = why;
}

}  // namespace

Bucket::Reply Bucket::handle(const Request& request, base::Instant arrived, base::Instant now) {
  Reply reply;
  reply.got.date = date_at(now);
  say(reply.got, Outcome::done, "");
  if (std::chrono::abs(date_at(arrived) - request.signed_at) > storage::kSignatureWindow) {
    say(reply.got, Outcome::too_late, "403 RequestTimeTooSkewed");
  } else if (request.lists()) {
    handle_list(request, reply);
  } else if (request.verb <= Verb::remove) {
    handle_object(request, reply, now);
  } else {
    handle_upload(request, reply, now);
  }
  return reply;
}

void Bucket::handle_object(const Request& request, Reply& reply, base::Instant now) {
  storage::Got& got = reply.got;
  const auto found = objects_.find(request.key);
  if (request.verb == Verb::create && found != objects_.end() && !ignores_conditions_) {
    say(got, Outcome::exists, "412 PreconditionFailed");
  } else if (request.verb == Verb::create || request.verb == Verb::replace) {
    objects_.insert_or_assign(request.key, Object{request.bytes, date_at(now)});
    if (on_change_) on_change_(request.key, &request.bytes);
  } else if (request.verb == Verb::remove) {
    if (objects_.erase(request.key) != 0 && on_change_) on_change_(request.key, nullptr);
  } else if (found == objects_.end()) {
    say(got, hides_absence_ ? Outcome::refused : Outcome::absent,
        hides_absence_ ? "403 AccessDenied" : "404 NoSuchKey");
  } else if (const std::string& bytes = found->second.bytes; request.range.offset < bytes.size()) {
    got.bytes = bytes.substr(request.range.offset, request.range.bytes);
    got.object_bytes = bytes.size();
  }
}

void Bucket::handle_upload(const Request& request, Reply& reply, base::Instant now) {
  if (request.verb == Verb::begin) {
    reply.name = std::to_string(next_upload_++);
    uploads_.emplace(reply.name, Uploading{request.key, date_at(now), {}});
    return;
  }
  const auto found = uploads_.find(request.id);
  if (found == uploads_.end() || found->second.key != request.key)
    return say(reply.got, Outcome::absent, "404 NoSuchUpload");
  if (request.verb == Verb::part) {
    reply.name = tag_of(request.bytes);
    found->second.parts.insert_or_assign(request.number, request.bytes);
  } else if (request.verb == Verb::finish) {
    finish(request, reply, found->second);
    if (reply.got.outcome == Outcome::done) uploads_.erase(found);
  } else {
    uploads_.erase(found);
  }
}

// Tags of the parts from the first on, without gaps; a part that is not named is left out.
void Bucket::finish(const Request& request, Reply& reply, const Uploading& upload) {
  std::string whole;
  for (std::uint32_t number = 1; number <= request.tags.size(); ++number) {
    const auto part = upload.parts.find(number);
    if (part == upload.parts.end() || tag_of(part->second) != request.tags[number - 1])
      return say(reply.got, Outcome::refused, "400 InvalidPart");
    if (number < request.tags.size() && part->second.size() < storage::kPartBytesMin)
      return say(reply.got, Outcome::refused, "400 EntityTooSmall");
    whole.append(part->second);
  }
  if (request.tags.empty()) return say(reply.got, Outcome::refused, "400 MalformedXML");
  objects_.insert_or_assign(request.key, Object{std::move(whole), upload.begun});
}

// In the order of a hash of the names: no order to anybody, but pages do not miss what was there all along. A
// continuation is the hash and the name of the last thing before it.
template <class Things, class Take>
void Bucket::page(const Things& things, const Request& request, Reply& reply, Take take) {
  std::pair<std::uint64_t, std::string> last{0, ""};
  if (!request.continuation.empty()) {
    const std::size_t space = request.continuation.find(' ');
    last = {std::stoull(request.continuation.substr(0, space)), request.continuation.substr(space + 1)};
  }
  auto at = things.upper_bound(last);
  for (std::size_t count = 0; at != things.end() && count < request.page_max; ++count, ++at) {
    take(at->first.second, *at->second);
    last = at->first;
  }
  if (at != things.end()) reply.continuation = std::to_string(last.first) + " " + last.second;
}

void Bucket::handle_list(const Request& request, Reply& reply) const {
  const auto place = [this](const std::string& name) { return std::pair(base::hash64(name, listing_seed_), name); };
  if (request.verb == Verb::list_uploads) {
    std::map<std::pair<std::uint64_t, std::string>, const Uploading*> found;
    for (const auto& [id, upload] : uploads_) {
      if (upload.key.starts_with(request.key)) found.emplace(place(id), &upload);
    }
    return page(found, request, reply, [&reply](const std::string& id, const Uploading& upload) {
      reply.uploads.push_back({upload.key, id, upload.begun});
    });
  }
  std::map<std::pair<std::uint64_t, std::string>, const Object*> found;
  for (auto at = objects_.lower_bound(request.key); at != objects_.end() && at->first.starts_with(request.key); ++at)
    found.emplace(place(at->first), &at->second);
  page(found, request, reply, [&reply](const std::string& key, const Object& object) {
    reply.objects.push_back({key, object.bytes.size(), object.modified});
  });
}

}  // namespace ingot::simulator
