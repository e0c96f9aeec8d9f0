#include "faults.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "memory.h"

namespace ingot::simulator {

const char* fault_name(Fault fault) {
  static constexpr const char* kNames[] = {
#define INGOT_FAULT_TEXT(name, text) text,
      INGOT_FAULTS(INGOT_FAULT_TEXT)
#undef INGOT_FAULT_TEXT
  };
  return kNames[static_cast<std::size_t>(fault)];
}

FaultProfile FaultProfile::draw(Chance& chance) {
  FaultProfile profile;
  const auto likelihood = [&chance](std::uint32_t low, std::uint32_t high) -> std::uint32_t {
    if (!chance.percent(30)) return 0;
    return static_cast<std::uint32_t>(chance.magnitude(low, high));
  };
  profile.read_error = likelihood(100, 20'000);
  profile.write_error = likelihood(100, 20'000);
  profile.sync_error = likelihood(1'000, 100'000);
  profile.deadly_sync = chance.percent(30) ? 200'000 : 0;
  profile.open_error = likelihood(1'000, 50'000);
  profile.short_io = likelihood(1'000, 200'000);
  profile.interrupted = likelihood(1'000, 200'000);
  profile.slow = likelihood(100, 10'000);
  profile.full_begins = likelihood(1'000, 100'000);
  profile.garbage_page = chance.percent(30) ? static_cast<std::uint32_t>(chance.magnitude(10'000, 500'000)) : 0;
  profile.names_in_order = chance.percent(70);
  return profile;
}

std::optional<Fault> BucketProfile::at(std::uint64_t roll) const {
  for (std::size_t i = 0; i < kKinds; ++i) {
    if (roll < per_million_[i]) return static_cast<Fault>(kDiskFaultCount + i);
    roll -= per_million_[i];
  }
  return std::nullopt;
}

BucketProfile BucketProfile::draw(Chance& chance) {
  BucketProfile profile;
  for (std::uint32_t& per_million : profile.per_million_) {
    const bool there = chance.percent(30);
    const std::uint64_t likelihood = chance.magnitude(1'000, 60'000);  // all of them together stay below a million
    per_million = there ? static_cast<std::uint32_t>(likelihood) : 0;
  }
  return profile;
}

void Report::outcome(std::string_view name) {
  HostMemory host;
  const auto found = outcomes.find(name);
  if (found != outcomes.end()) {
    ++found->second;
  } else {
    outcomes.emplace(name, 1);
  }
}

void Report::probe(std::string_view name) {
  HostMemory host;
  const auto found = probes.find(name);
  if (found != probes.end()) {
    ++found->second;
  } else {
    probes.emplace(name, 1);
  }
}

void Report::add(const Report& other) {
  operations += other.operations;
  steps += other.steps;
  switches += other.switches;
  disk_calls += other.disk_calls;
  bucket_requests += other.bucket_requests;
  processes += other.processes;
  virtual_micros += other.virtual_micros;
  for (std::size_t i = 0; i < kFaultCount; ++i) faults[i] += other.faults[i];
  for (const auto& [name, count] : other.outcomes) outcomes[name] += count;
  for (const auto& [name, count] : other.probes) probes[name] += count;
}

std::string Report::serialise() const {
  std::string text;
  const auto line = [&text](const char* kind, std::string_view name, std::uint64_t count) {
    text.append(kind).append("\t").append(name).append("\t").append(std::to_string(count)).append("\n");
  };
  line("number", "operations", operations);
  line("number", "steps", steps);
  line("number", "switches", switches);
  line("number", "disk_calls", disk_calls);
  line("number", "bucket_requests", bucket_requests);
  line("number", "processes", processes);
  line("number", "virtual_micros", virtual_micros);
  for (std::size_t i = 0; i < kFaultCount; ++i) line("fault", std::to_string(i), faults[i]);
  for (const auto& [name, count] : outcomes) line("outcome", name, count);
  for (const auto& [name, count] : probes) line("probe", name, count);
  return text;
}

void Report::take(std::string_view line) {
  const std::size_t first = line.find('\t');
  const std::size_t second = line.find('\t', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return;
  const std::string_view kind = line.substr(0, first);
  const std::string name(line.substr(first + 1, second - first - 1));
  const std::uint64_t count = std::strtoull(std::string(line.substr(second + 1)).c_str(), nullptr, 10);
  if (kind == "number") {
    for (const auto& [known, to] :
         {std::pair{"operations", &operations}, std::pair{"steps", &steps}, std::pair{"switches", &switches},
          std::pair{"disk_calls", &disk_calls}, std::pair{"bucket_requests", &bucket_requests},
          std::pair{"processes", &processes}, std::pair{"virtual_micros", &virtual_micros}}) {
      if (name == known) *to += count;
    }
  } else if (kind == "fault") {
    const std::size_t index = std::strtoull(name.c_str(), nullptr, 10);
    if (index < kFaultCount) faults[index] += count;
  } else if (kind == "outcome") {
    outcomes[name] += count;
  } else if (kind == "probe") {
    probes[name] += count;
  }
}

std::string Report::text() const {
  char line[256];
  std::snprintf(line, sizeof line,
                "%" PRIu64 " operations by %" PRIu64 " processes in %.2f virtual hours; %" PRIu64
                " disk calls, %" PRIu64 " bucket requests, %" PRIu64 " steps, %" PRIu64 " switches\n",
                operations, processes, static_cast<double>(virtual_micros) / 3.6e9, disk_calls, bucket_requests, steps,
                switches);
  std::string text = line;
  const auto section = [&](const char* title) { text.append(title).append("\n"); };
  const auto row = [&](const char* name, std::uint64_t count) {
    std::snprintf(line, sizeof line, "  %12" PRIu64 "  %s\n", count, name);
    text.append(line);
  };
  section("faults:");
  const std::size_t kinds = bucket_requests == 0 ? kDiskFaultCount : kFaultCount;
  for (std::size_t i = 0; i < kinds; ++i) row(fault_name(static_cast<Fault>(i)), faults[i]);
  section("outcomes:");
  for (const auto& [name, count] : outcomes) row(name.c_str(), count);
  section("probes:");
  for (const auto& [name, count] : probes) row(name.c_str(), count);
  return text;
}

}  // namespace ingot::simulator
