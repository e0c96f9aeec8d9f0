// The simulated object store, for the processes of any number of machines; it implements storage::Bucket and belongs to
// the world. Every call is a step of the scheduler and takes virtual time. As S3 it is strongly consistent: a request
// is handled whole, at one instant between its sending and its answer; a listing comes in no order, page by page. An
// object that is uploaded in parts appears at the instant when the end of its upload is handled, and bears the date of
// its begin; a part's tag is a hash of its bytes, so a part that is put twice is the same.
//
// What the BucketProfile says befalls a request on its way, so that its sender may hear nothing, or something else than
// what became of it; see faults.h. A request belongs to the wire once it is sent: its process may give it up, stand
// still or be killed, and it is handled all the same (or not, if a killed process had not sent all of it).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chance.h"
#include "faults.h"
#include "scheduler.h"
#include "storage/bucket.h"

namespace ingot::simulator {

class Bucket final : public storage::Bucket {
 public:
  /// The longest that the server sits on a request after it was accepted. A copy on the wire may come later still, and
  /// is then refused for its signature.
  static constexpr std::chrono::hours kInsideMax{12};
  /// After so long nothing that was sent before can still arrive.
  static constexpr std::chrono::hours kWireMax{31};

  Bucket(Scheduler& scheduler, Chance chance);

  /// What befalls requests from now on. A good bucket to begin with.
  void set_faults(const BucketProfile& profile) { profile_ = profile; }
  /// Whether outages, storms and expiries that have begun are over.
  void end_periods() { outage_ = no_connection_ = storm_ = expiry_ = {}; }
  /// As some emulators do: "if absent" is not looked at.
  void set_ignores_conditions(bool ignores) { ignores_conditions_ = ignores; }
  /// As S3 does where the bucket may not be listed: 403 instead of 404.
  void set_hides_absence(bool hides) { hides_absence_ = hides; }

  /// Called, with the host's memory, when an object was put (its bytes) or removed (null), whoever asked for it and
  /// whatever is heard of it. May fail the seed, and ask for nothing.
  void on_change(std::function<void(std::string_view key, const std::string* bytes)> listener) {
    on_change_ = std::move(listener);
  }

  // For scenarios: what there is now, without a step or a fault. From the director, or an action.
  [[nodiscard]] std::vector<std::string> keys();  ///< sorted
  [[nodiscard]] std::optional<std::string> peek(std::string_view key);
  /// Uploads that were begun, and neither finished nor aborted: whoever can't name them has left them behind.
  [[nodiscard]] std::vector<storage::OpenUpload> open_uploads();
  /// Deliveries that are still to come.
  [[nodiscard]] std::size_t under_way();
  /// The bucket's clock, which no machine's clock moves.
  [[nodiscard]] storage::BucketDate date() const { return date_at(scheduler_.time()); }

  // storage::Bucket
  storage::Answer put(std::string_view key, std::string_view bytes, storage::PutMode mode,
                      std::optional<storage::BucketDate> signed_at, base::Instant deadline) override;
  storage::Got get(std::string_view key, storage::ByteRange range, base::Instant deadline) override;
  storage::Listing list(std::string_view prefix, std::string_view continuation, base::Instant deadline) override;
  storage::Answer remove(std::string_view key, base::Instant deadline) override;
  storage::Upload begin_upload(std::string_view key, base::Instant deadline) override;
  storage::Part put_part(std::string_view key, std::string_view id, std::uint32_t number, std::string_view bytes,
                         base::Instant deadline) override;
  storage::Answer finish_upload(std::string_view key, std::string_view id, const std::vector<std::string>& tags,
                                base::Instant deadline) override;
  storage::Answer abort_upload(std::string_view key, std::string_view id, base::Instant deadline) override;
  storage::OpenUploads list_uploads(std::string_view prefix, std::string_view continuation,
                                    base::Instant deadline) override;
  void end_by(base::Instant /*at*/) override {}  // all machines share it
  [[nodiscard]] storage::BucketCounts counts() const override { return counts_; }
  [[nodiscard]] std::string where() const override { return "s3://simulated/store"; }

 private:
  enum class Verb { create, replace, get, list, remove, begin, part, finish, abort, list_uploads };
  struct Request {
    Verb verb;
    std::string key;  // of a listing: the prefix
    std::string bytes;
    storage::ByteRange range;
    std::string continuation;
    storage::BucketDate signed_at;
    std::size_t page_max = 0;  // of a listing
    std::string id;            // of an upload
    std::uint32_t number = 0;  // of a part
    std::vector<std::string> tags;
    [[nodiscard]] bool lists() const { return verb == Verb::list || verb == Verb::list_uploads; }
    [[nodiscard]] bool changes() const { return verb != Verb::get && !lists(); }
  };
  // All that any verb answers.
  struct Reply {
    std::uint64_t flight;
    storage::Got got;
    std::vector<storage::ListedObject> objects;
    std::vector<storage::OpenUpload> uploads;
    std::string continuation;
    std::string name;  // the id of an upload, or the tag of a part
  };
  // A request that its sender waits for, or of which a delivery is still to come.
  struct Flight {
    Request request;
    const Process* sender = nullptr;  // null: nobody waits any more
    std::size_t deliveries = 0;
    std::optional<Reply> reply{};
  };
  struct Delivery {
    std::uint64_t flight;
    base::Instant arrives;  // when its signature is looked at
    bool answers;           // else the sender does not hear what came of it
  };
  struct Object {
    std::string bytes;
    storage::BucketDate modified;
  };
  struct Uploading {
    std::string key;
    storage::BucketDate begun;
    std::map<std::uint32_t, std::string> parts;
  };
  // Something that goes on for a while, for all or for one process.
  struct Period {
    base::Instant until{};
    const Process* only = nullptr;
    [[nodiscard]] bool covers(const Process* process, base::Instant now) const {
      return now < until && (only == nullptr || only == process);
    }
  };
  // What is to become of a request: how long until it is at the door, is handled, and its answer is back.
  struct Course {
    base::Duration there;
    base::Duration inside;
    base::Duration back;
    bool arrives = true;
    bool is_silent = false;  // no answer until the deadline
    struct Instead {
      storage::Outcome outcome;
      const char* why;
      base::Duration retry_after{};
    };
    std::optional<Instead> instead{};       // what the sender hears, whatever happened
    std::optional<base::Duration> again{};  // a second delivery, so long after the first
    bool again_from_the_wire = false;       // else the server itself has held it back
    bool again_answers = false;
    base::Duration stall{};
    bool stalls_first = false;   // else while the request is under way
    bool stall_freezes = false;  // its machine's monotonic clock stands still, too
    std::chrono::seconds skew;   // how far the Date of the answer is behind (negative: ahead)
    std::size_t page_max;        // of a listing
  };

  [[nodiscard]] storage::BucketDate date_at(base::Instant time) const;
  Course draw_course(const Request& request);
  static bool fits(Fault fault, const Request& request);
  void befall(Fault fault, Chance& dice, Course& course);
  void befall_by_period(Chance& dice, Course& course);
  void struck(Fault fault);
  void stand_still(const Course& course);

  // What a process asks for; its own memory.
  struct Ask {
    Verb verb;
    std::string_view key;
    base::Instant deadline;
    std::string_view bytes{};
    std::string_view continuation{};
    storage::ByteRange range{};
    std::optional<storage::BucketDate> signed_at{};
    std::string_view id{};
    std::uint32_t number = 0;
    const std::vector<std::string>* tags = nullptr;
  };
  // Sends it and waits. The reply is there until its flight lands.
  const Reply& send(const Ask& ask);
  const Reply& fly(std::uint64_t flight, base::Instant deadline);
  void land(std::uint64_t flight);
  void deliver(std::uint64_t flight, base::Instant arrives, base::Instant handled, bool answers);
  // Handles what was to be handled by now, in order.
  void settle();
  Reply handle(const Request& request, base::Instant arrived, base::Instant now);
  void handle_object(const Request& request, Reply& reply, base::Instant now);
  void handle_upload(const Request& request, Reply& reply, base::Instant now);
  void finish(const Request& request, Reply& reply, const Uploading& upload);
  // A page of what has `keys`: (order, name) to a thing.
  template <class Things, class Take>
  static void page(const Things& things, const Request& request, Reply& reply, Take take);
  void handle_list(const Request& request, Reply& reply) const;
  void count(const Request& request);
  void count(const storage::Got& got);
  void process_died(Process& process);

  Scheduler& scheduler_;
  Chance chance_;
  BucketProfile profile_;
  bool ignores_conditions_ = false;
  bool hides_absence_ = false;
  std::uint64_t listing_seed_;
  std::map<std::string, Object, std::less<>> objects_;
  std::map<std::string, Uploading, std::less<>> uploads_;  // by id
  std::uint64_t next_upload_ = 1;
  std::uint64_t next_flight_ = 1;
  std::uint64_t next_delivery_ = 1;
  std::map<std::uint64_t, Flight> flights_;
  std::map<std::pair<base::Instant, std::uint64_t>, Delivery> deliveries_;  // by when each is handled
  storage::BucketCounts counts_;
  std::function<void(std::string_view, const std::string*)> on_change_;
  Period outage_;
  Period no_connection_;
  Period storm_;
  Period expiry_;
};

}  // namespace ingot::simulator
