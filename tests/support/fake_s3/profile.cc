#include "support/fake_s3/profile.h"

namespace ingot::fake_s3 {

const char* profile_name(Profile profile) {
  switch (profile) {
    case Profile::aws:
      return "aws";
    case Profile::minio:
      return "minio";
    case Profile::r2:
      return "r2";
    case Profile::express:
      return "express";
    case Profile::ceph:
      return "ceph";
    case Profile::ignores_conditions:
      return "ignores-conditions";
    case Profile::hides_missing:
      return "hides-missing";
  }
  return "?";
}

std::optional<Profile> profile_of(std::string_view name) {
  for (const Profile profile : kProfiles) {
    if (name == profile_name(profile)) return profile;
  }
  return {};
}

namespace {

void become_minio(Behaviour& it) {
  it.uploads_keep_their_date = false;
  it.looks_at_delete_conditions = false;
  it.tags_in_if_none_match = true;
  it.conflict_when_raced = it.conflict_when_changed = false;
  it.slow_read = {503, "SlowDownRead", "Resource requested is unreadable, please reduce your request rate"};
  it.slow_write = {503, "SlowDownWrite", "Resource requested is unwritable, please reduce your request rate"};
  it.retry_after = 60;
  it.unknown_key.message = "The Access Key Id you provided does not exist in our records.";
  it.expired = {403, "InvalidTokenId", "The security token included in the request is invalid"};
  it.chunked_errors = it.chunked_lists = it.closes_after_5xx = false;
  it.server = "MinIO";
}

void become_r2(Behaviour& it) {
  it.uploads_keep_their_date = false;
  it.looks_at_delete_conditions = false;
  it.tags_in_if_none_match = true;
  it.conflict_when_raced = it.conflict_when_changed = false;
  it.absent_is_no_match = true;
  it.one_write_per_key = true;
  it.equal_parts = true;
  it.any_region = true;
  it.error_ids = false;
  it.slow_read = it.slow_write = {429, "TooManyRequests", "Rate limit exceeded."};
  it.unknown_key = it.expired = {401, "Unauthorized", "Unauthorized"};
  it.chunked_errors = it.chunked_lists = it.closes_after_5xx = false;
  it.server = "cloudflare";
}

void become_express(Behaviour& it) {
  it.random_tags = true;
  it.lists_in_order = it.lists_from_any_key = it.lists_any_prefix = false;
  it.consecutive_parts = true;
  it.sessions = true;
}

void become_ceph(Behaviour& it) {
  it.uploads_keep_their_date = false;
  it.looks_at_complete_conditions = it.looks_at_delete_conditions = false;
  it.tags_in_if_none_match = true;
  it.quoted_tags_match = false;
  it.conflict_when_raced = it.conflict_when_changed = false;
  it.error_when_changed = true;
  it.absent_is_no_match = true;
  it.remaking_a_bucket_is_done = true;
  it.finishing_again_compares = true;
  it.any_region = true;
  it.error_messages = false;
  it.expired = {403, "AccessDenied", ""};
  it.chunked_errors = it.closes_after_5xx = false;
  it.server = "";
}

void become_careless(Behaviour& it) {
  it.uploads_keep_their_date = false;
  it.looks_at_put_conditions = it.looks_at_complete_conditions = it.looks_at_delete_conditions = false;
  it.conflict_when_raced = it.conflict_when_changed = false;
  it.chunked_errors = it.chunked_lists = it.closes_after_5xx = false;
  it.server = "";
}

}  // namespace

Behaviour behaviour_of(Profile profile) {
  Behaviour it;
  it.profile = profile;
  switch (profile) {
    case Profile::aws:
      break;
    case Profile::minio:
      become_minio(it);
      break;
    case Profile::r2:
      become_r2(it);
      break;
    case Profile::express:
      become_express(it);
      break;
    case Profile::ceph:
      become_ceph(it);
      break;
    case Profile::ignores_conditions:
      become_careless(it);
      break;
    case Profile::hides_missing:
      it.hides_missing = true;
      break;
  }
  return it;
}

}  // namespace ingot::fake_s3
