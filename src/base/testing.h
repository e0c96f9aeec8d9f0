// Deliberate breaks and probes. In the shipped library all of this is constant and disappears; in a testing
// build a break makes one invariant fail on purpose, so that the suite can show that it would notice, and a
// probe reports that a rare branch ran.
#pragma once

#include <cstdint>
#include <functional>

namespace ingot::base {

/// One line per break: what goes wrong. Each is caught by some test or simulator scenario.
#define INGOT_BREAKS(X)                                                                       \
  /* log */                                                                                   \
  X(log_skip_sync)             /* acknowledge a disk commit unsynced */                       \
  X(log_skip_recovery_sync)    /* serve what recovery found, unsynced */                      \
  X(log_ignore_entry_hash)     /* believe an entry without its hash */                        \
  X(log_ignore_link)           /* follow an entry of another chain */                         \
  X(log_cut_damage)            /* call any damage a torn tail */                              \
  X(log_publish_before_sync)   /* visible before durable */                                   \
  X(log_skip_directory_sync)   /* a new segment's name is not synced */                       \
  X(log_retry_failed_sync)     /* sync again instead of writing again */                      \
  X(log_skip_takeover_scan)    /* trust live's tail after a death */                          \
  X(log_skip_parity)           /* write no redundancy */                                      \
  X(log_rewrite_synced_sector) /* do not start a new sector after a sync */                   \
  /* bucket */                                                                                \
  X(bucket_sign_now)                 /* sign a slot's put with the present */                 \
  X(bucket_skip_reader_boundary)     /* however old, an answer counts */                      \
  X(bucket_skip_writer_boundary)     /* sign anew, whatever the boundary */                   \
  X(bucket_trust_timeout)            /* not answered: it has not happened */                  \
  X(bucket_trust_absence)            /* not answered, then absent: the same */                \
  X(bucket_ignore_nonce)             /* a slot that is taken is another's */                  \
  X(bucket_ignore_link)              /* follow an entry of another chain */                   \
  X(bucket_ignore_session_row)       /* collected: it has not happened */                     \
  X(bucket_collect_early)            /* delete as soon as a boundary is made */               \
  X(bucket_second_collector_no_wait) /* a successor deletes at once */                        \
  X(bucket_clock_of_one)             /* the last answer's Date is the time */                 \
  X(bucket_reuse_nonce)              /* the same nonce for each attempt */                    \
  /* engine */                                                                                \
  X(engine_skip_validation)       /* commit without looking for conflicts */                  \
  X(engine_skip_range_validation) /* validate points only */                                  \
  X(engine_delete_early)          /* delete runs that snapshots still read */                 \
  X(engine_ack_before_append)     /* acknowledge what is not in the log */                    \
  X(engine_flush_skip_record)     /* lose one record in a flush */                            \
  X(engine_stale_snapshot)        /* begin reads without looking for news */                  \
  X(engine_ignore_expiry)         /* show what has expired */                                 \
  X(engine_checkpoint_unsynced)   /* recycle the log before the checkpoint is durable */      \
  X(engine_ignore_session_row)    /* a commit that slept is run again, unasked */             \
  X(copy_adopt_unsynced)          /* name a run that an earlier copy may not have synced */   \
  X(copy_adopt_unverified)        /* name a run that an earlier copy may not have finished */ \
  X(bucket_delete_failed_upload)  /* remove runs whose edit was not kept */                   \
  X(bucket_adopt_old_run)         /* name a run that may be collected by now */               \
  X(bucket_sweep_unread_tail)     /* sweep what is not named by what was read long ago */     \
  /* runs */                                                                                  \
  X(run_ignore_checksum)       /* believe a damaged block */                                  \
  X(run_stale_parity)          /* parity that does not match */                               \
  X(run_filter_false_negative) /* the filter denies a key it has */                           \
  X(run_skip_sync)             /* name a run in an edit before it is synced */                \
  /* files in a bucket */                                                                     \
  X(cache_ignore_checksum) /* believe a damaged chunk of the disk cache */                    \
  X(upload_trust_silence)  /* an upload whose end was not answered counts as finished */

enum class Break : std::uint32_t {
#define INGOT_BREAK_NAME(name) name,
  INGOT_BREAKS(INGOT_BREAK_NAME)
#undef INGOT_BREAK_NAME
      count
};

#ifdef INGOT_TESTING
/// Whether this break is on. Set by set_break, or by $INGOT_BREAK (names, comma-separated) at first use.
bool broken(Break which);
void set_break(Break which, bool on);
const char* break_name(Break which);
/// Counts that a rare branch ran; `name` is a string literal.
void probe(const char* name);
/// How often; 0 if never.
std::uint64_t probe_count(const char* name);
/// A place between two looks at what other threads change: a simulation may let them run here, and so may a test.
void interlude();
void set_interlude(std::function<void()> during);
#else
constexpr bool broken(Break) {
  return false;
}
inline void probe(const char*) {}
inline void interlude() {}
#endif

}  // namespace ingot::base
