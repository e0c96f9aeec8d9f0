// Objects in parts.

#include "support/fake_s3/digest.h"
#include "support/fake_s3/error.h"
#include "support/fake_s3/objects.h"

namespace ingot::fake_s3 {

namespace {

S3Error invalid_part() {
  return {400, "InvalidPart",
          "One or more of the specified parts could not be found, or its entity tag did not match."};
}

// Of the object that is made of them: the MD5 of their MD5s, and how many they are.
std::string etag_of(const std::vector<Objects::NamedPart>& parts) {
  std::string hashes;
  for (const Objects::NamedPart& part : parts) hashes += unhex(part.etag);
  return hex(md5(hashes)) + "-" + std::to_string(parts.size());
}

void check_parts(const Upload& upload, const std::vector<Objects::NamedPart>& parts, const Behaviour& behaviour) {
  if (parts.empty()) throw malformed_xml();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].number > parts[i - 1].number) continue;
    throw S3Error(400, "InvalidPartOrder", "The list of parts was not in ascending order.");
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (behaviour.consecutive_parts && parts[i].number != i + 1) throw invalid_part();
    const auto it = upload.parts.find(parts[i].number);
    if (it == upload.parts.end() || it->second.etag != parts[i].etag) throw invalid_part();
    if (i + 1 == parts.size()) break;
    const std::size_t bytes = it->second.bytes->size();
    if (bytes < behaviour.part_bytes_min) {
      throw S3Error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.");
    }
    if (behaviour.equal_parts && bytes != upload.parts.at(parts[0].number).bytes->size()) {
      throw S3Error(400, "InvalidPart", "All non-trailing parts must have the same length.");
    }
  }
}

}  // namespace

Upload& Objects::upload_of(const std::string& bucket, const std::string& key, const std::string& id) {
  const auto it = uploads_.find(id);
  if (it == uploads_.end() || it->second.bucket != bucket || it->second.key != key) {
    throw S3Error(404, "NoSuchUpload",
                  "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have "
                  "been aborted or completed.");
  }
  return it->second;
}

std::string Objects::begin_upload(const std::string& bucket, const std::string& key, Fields metadata, Seconds now) {
  const std::lock_guard lock(mutex_);
  bucket_of(bucket);
  // Opaque, with characters that must be escaped in a query.
  const std::string id = "2~" + hex(sha256(std::to_string(next_upload_++) + bucket + key)).substr(0, 30) + "/+=";
  uploads_[id] = Upload{bucket, key, now, std::move(metadata), {}};
  return id;
}

std::string Objects::put_part(const std::string& bucket, const std::string& key, const std::string& id,
                              std::uint64_t number, std::shared_ptr<const std::string> bytes, Seconds now,
                              const Behaviour& behaviour) {
  if (number < 1 || number > 10000) throw invalid_argument("Part number must be an integer between 1 and 10000");
  const std::lock_guard lock(mutex_);
  Upload& upload = upload_of(bucket, key, id);
  const std::string tag =
      hex(behaviour.random_tags ? sha256(std::to_string(next_version_++)).substr(0, 16) : md5(*bytes));
  upload.parts[number] = Part{tag, std::move(bytes), now};
  return tag;
}

std::string Objects::finish_upload(const Arrival& arrival, const std::string& id, const std::vector<NamedPart>& parts,
                                   const Conditions& conditions, Seconds now, const Behaviour& behaviour) {
  const std::lock_guard lock(mutex_);
  if (behaviour.finishing_again_compares && uploads_.count(id) == 0) {
    const auto it = bucket_of(arrival.bucket).find(arrival.key);
    const std::string etag = etag_of(parts);
    if (it == bucket_of(arrival.bucket).end() || !it->second.object || it->second.object->etag != etag) {
      throw S3Error(500, "InternalError", "");
    }
    return etag;
  }
  Upload& upload = upload_of(arrival.bucket, arrival.key, id);
  check_parts(upload, parts, behaviour);
  State& state = bucket_of(arrival.bucket)[arrival.key];
  if (behaviour.looks_at_complete_conditions) check_conditions(state, arrival, conditions, behaviour);
  std::string bytes;
  for (const NamedPart& part : parts) bytes += *upload.parts[part.number].bytes;
  Object object{std::make_shared<const std::string>(std::move(bytes)),
                {},
                behaviour.uploads_keep_their_date ? upload.begun : now,
                upload.metadata,
                next_version_++};
  object.etag = behaviour.random_tags ? hex(sha256(std::to_string(object.version)).substr(0, 16)) : etag_of(parts);
  state.object = std::move(object);
  uploads_.erase(id);
  return state.object->etag;
}

void Objects::abort_upload(const std::string& bucket, const std::string& key, const std::string& id) {
  const std::lock_guard lock(mutex_);
  upload_of(bucket, key, id);
  uploads_.erase(id);
}

Upload Objects::upload(const std::string& bucket, const std::string& key, const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return const_cast<Objects*>(this)->upload_of(bucket, key, id);
}

std::vector<std::pair<std::string, Upload>> Objects::uploads(const std::string& bucket) const {
  const std::lock_guard lock(mutex_);
  bucket_of(bucket);
  std::map<std::pair<std::string, std::string>, Upload> sorted;
  for (const auto& [id, upload] : uploads_) {
    if (upload.bucket == bucket) sorted[{upload.key, id}] = upload;
  }
  std::vector<std::pair<std::string, Upload>> found;
  found.reserve(sorted.size());
  for (auto& [name, upload] : sorted) found.emplace_back(name.second, std::move(upload));
  return found;
}

}  // namespace ingot::fake_s3
