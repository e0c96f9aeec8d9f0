/// What the library reports when something can't be done.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace ingot {

/// What the caller can do about it decides the code; the sentence in what() says the rest.
enum class ErrorCode {
  invalid_argument,  ///< The call can't be right: an empty name, a range that ends before it begins. Change the call.
  not_found,         ///< Something that was asked for by name is not there. (An absent key is std::nullopt.)
  not_a_store,       ///< The place given to open() holds no store, and none may or can be made there.
  too_large,         ///< A limit of <ingot/limits.h> is exceeded; the sentence has the size and the limit.
  read_only,         ///< A write on a store opened for reading, or a place that can't be written.
  closed,            ///< The store was closed, this is the child of a fork, or the store stopped itself because of a
                     ///< defect (the sentence says which): open it again. Or the transaction has ended: begin again.
  expired,           ///< A snapshot of a read-only handle that outlived the files it reads: take another one.
  newer_format,      ///< The store was written by a newer release. Nothing was changed.
  unavailable,       ///< The world stayed away past the deadline (disk full, device errors, a stopped process, a bucket
                     ///< that does not answer). Nothing is lost, and the store goes on by itself when it is back. A
                     ///< commit that says so is not there; unless it is an `Undecided`, which can be asked about.
  corrupt,           ///< Bytes were damaged beyond healing; the sentence has the exact range. All else stays readable.
};

/// "invalid_argument", and so on: stable, for logs and --json.
const char* name(ErrorCode code);

/// Thrown by every function of the library that fails. what() is a sentence for a person: what was done, the
/// name involved, the limit, what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& sentence) : std::runtime_error(sentence), code_(code) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

namespace engine {
class Engine;
}

/// An `unavailable` of a commit to a bucket, when the deadline passed after the request was sent and before it was
/// answered: by then nobody can know whether it will be carried out. Store::outcome tells, as soon as the bucket is
/// back. Never thrown for a directory.
class Undecided : public Error {
 private:
  friend class engine::Engine;
  Undecided(const std::string& sentence, std::array<std::uint64_t, 2> session, std::uint64_t sequence,
            std::uint32_t ordinal)
      : Error(ErrorCode::unavailable, sentence), session_(session), sequence_(sequence), ordinal_(ordinal) {}
  std::array<std::uint64_t, 2> session_;
  std::uint64_t sequence_;
  std::uint32_t ordinal_;  // among the transactions of its group
};

}  // namespace ingot
