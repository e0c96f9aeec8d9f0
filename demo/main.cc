// The demo: several processes sell the packages of a Debian catalogue out of one store, while one of them is killed
// with kill -9 again and again. At the end everything that was acknowledged is looked for.
//
//   ingot-demo STORE CATALOGUE [SECONDS [SELLERS]]
//
// STORE has the catalogue in its space "packages" (`ingot import`); CATALOGUE is the file that it came from.
// Exit status: 0 if nothing was lost and nothing is half there, 1 if something is wrong, 2 if it could not be run.
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "catalogue.h"
#include "crowd.h"
#include "ingot/ingot.h"
#include "panel.h"
#include "shop.h"
#include "verify.h"
#include "worker.h"

namespace demo {
namespace {

volatile std::sig_atomic_t stopped = 0;
void note_signal(int) {
  stopped = 1;
}

double seconds_since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

std::uint64_t bytes_of(const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

std::string own_program() {
  return std::filesystem::read_symlink("/proc/self/exe").string();
}

unsigned long long wide(std::uint64_t number) {
  return static_cast<unsigned long long>(number);
}

bool prepare(const std::string& where, const Catalogue& catalogue) {
  ingot::Store store = ingot::open(where, {.create = false});
  Proof proof;
  const Clock::time_point begun = Clock::now();
  prove_catalogue(store, catalogue, {}, proof);
  if (proof.wrong_count != 0) {
    std::printf("The import is not what the catalogue says:\n");
    for (const std::string& wrong : proof.wrong) std::printf("  %s\n", wrong.c_str());
    return false;
  }
  std::printf("Compared: %s records are in the store, each field as in the catalogue (%.1f s).\n",
              grouped(proof.records).c_str(), seconds_since(begun));
  std::vector<std::string> names;
  for (const auto& [name, paragraph] : catalogue) names.push_back(name);
  const Clock::time_point stocking = Clock::now();
  fill_stock(store, names);
  std::printf("Stocked:  %lld units of each, in one transaction of %s records (%.2f s).\n\n",
              static_cast<long long>(kUnitsAtFirst), grouped(names.size()).c_str(), seconds_since(stocking));
  std::fflush(stdout);
  return true;
}

void print_figures(const Account& account, double seconds, const ingot::Stats& stats, std::uint64_t store_bytes) {
  const auto micros = [](std::uint64_t value) { return shown_micros(static_cast<double>(value)); };
  const auto nanos = [](std::uint64_t value) { return shown_micros(static_cast<double>(value) / 1000); };
  std::printf("\nWhat it saw in %.1f s:\n", seconds);
  std::printf("  durable commits   %s: %s a second; %s lost to another and were run again\n",
              grouped(account.commits).c_str(),
              grouped(static_cast<std::uint64_t>(static_cast<double>(account.commits) / seconds)).c_str(),
              grouped(account.conflicts).c_str());
  std::printf("    a transaction   p50 %s, p99 %s, p99.9 %s, the slowest %s\n",
              micros(account.commit_micros.at(0.5)).c_str(), micros(account.commit_micros.at(0.99)).c_str(),
              micros(account.commit_micros.at(0.999)).c_str(), micros(account.commit_micros.max()).c_str());
  std::printf("  point reads       %s: %s a second\n", grouped(account.reads).c_str(),
              grouped(static_cast<std::uint64_t>(static_cast<double>(account.reads) / seconds)).c_str());
  std::printf("    a read          p50 %s, p99 %s\n", nanos(account.read_nanos.at(0.5)).c_str(),
              nanos(account.read_nanos.at(0.99)).c_str());
  std::printf("  kill -9           %llu processes, of them %llu times all at once\n", wide(account.kills),
              wide(account.kills_of_all));
  std::printf("    after a kill    the next process had the store open after p50 %s, p99 %s, at most %s\n",
              micros(account.open_micros.at(0.5)).c_str(), micros(account.open_micros.at(0.99)).c_str(),
              micros(account.open_micros.max()).c_str());
  std::printf("  inspections       %llu snapshots of the whole shop, %s records, p50 %s\n", wide(account.inspections),
              grouped(account.inspected_records).c_str(), micros(account.inspect_micros.at(0.5)).c_str());
  std::printf("  memory            %s MiB in the largest process\n", grouped(account.peak_process_bytes >> 20).c_str());
  std::printf("  the store         %s MiB on disk, %llu runs of %s MiB, log of %s MiB, version %s\n",
              grouped(store_bytes >> 20).c_str(), wide(stats.runs), grouped(stats.run_bytes >> 20).c_str(),
              grouped(stats.log_bytes >> 20).c_str(), grouped(stats.version).c_str());
}

int prove(const std::string& where, const Catalogue& catalogue, const Account& account, double seconds) {
  std::printf("\nEverybody is dead. Opening the store, and looking for what was acknowledged:\n");
  std::fflush(stdout);
  const Clock::time_point opening = Clock::now();
  const ingot::Store store = ingot::open(where, {.create = false});
  const double opened = seconds_since(opening);
  Proof proof;
  for (const std::string& wrong : account.wrong) proof.complain(wrong);
  prove_orders(store, catalogue, account, proof);
  const ingot::CheckReport check = store.check();
  for (const std::string& damage : check.damage) proof.complain("check: " + damage);
  if (check.healed != 0) proof.complain("check healed " + std::to_string(check.healed) + " places");

  std::printf("  opened in %.1f ms\n", opened * 1000);
  std::printf("  %s of %s acknowledged commits are there, each at its version\n", grouped(proof.found).c_str(),
              grouped(proof.acknowledged).c_str());
  std::printf("  %llu orders and %llu shipments are there whose process died before it could say so, wholly\n",
              wide(proof.unacknowledged), wide(proof.unacknowledged_shipments));
  std::printf("  %llu orders are half there\n", wide(proof.half));
  std::printf("  stock, totals and revisions %s\n",
              proof.wrong_count == 0 ? "are exactly what the orders add up to" : "were compared with the orders");
  std::printf("  %s of %s catalogue records are as imported, field by field\n", grouped(proof.records).c_str(),
              grouped(catalogue.size()).c_str());
  std::printf("  check read %s records and %s MiB, and %s\n", grouped(check.records).c_str(),
              grouped(check.bytes >> 20).c_str(), check.clean() ? "found nothing" : "FOUND DAMAGE");
  print_figures(account, seconds, store.stats(), bytes_of(where));
  if (account.kills < 5 || account.commits == 0 || account.inspections == 0) {
    proof.complain("too little happened to prove anything");
  }
  if (proof.wrong_count == 0) {
    std::printf("\nPASS: nothing acknowledged is lost, nothing is half there.\n");
    return 0;
  }
  std::printf("\nFAIL: %llu things are wrong:\n", wide(proof.wrong_count));
  for (const std::string& wrong : proof.wrong) std::printf("  %s\n", wrong.c_str());
  return 1;
}

int run(const std::string& where, const std::string& catalogue_path, std::chrono::seconds duration, unsigned sellers) {
  const Catalogue catalogue = read_catalogue(catalogue_path);
  if (catalogue.size() < 2) {
    std::fprintf(stderr, "%s holds no catalogue\n", catalogue_path.c_str());
    return 2;
  }
  if (!prepare(where, catalogue)) return 1;
  std::printf(
      "%u sellers and an inspector work on the store, each a process of its own. One of them is killed with\n"
      "kill -9 every 100 to 300 ms, all of them every 6 s; another takes its place.\n\n",
      sellers);
  std::fflush(stdout);
  Crowd crowd(own_program(), where, sellers);
  Panel panel(crowd, duration);
  const Clock::time_point begun = Clock::now();
  crowd.run(
      duration, [] { return stopped != 0; }, [&] { panel.tick(); });
  const double seconds = seconds_since(begun);
  panel.finish();
  if (stopped != 0) {
    std::printf("\nStopped. All processes are gone; the store needs nothing.\n");
    return 130;
  }
  return prove(where, catalogue, crowd.account(), seconds);
}

int usage() {
  std::fprintf(stderr, "usage: ingot-demo STORE CATALOGUE [SECONDS [SELLERS]]\n");
  return 2;
}

}  // namespace
}  // namespace demo

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  try {
    if (words.size() == 6 && words[0] == "worker") {
      return demo::run_worker({words[1], static_cast<std::uint32_t>(std::stoul(words[2])), words[3] == "inspector",
                               std::stoi(words[4]), std::stoi(words[5])});
    }
    if (words.size() < 2 || words.size() > 4) return demo::usage();
    const unsigned long seconds = words.size() > 2 ? std::stoul(words[2]) : 25;
    const unsigned long sellers = words.size() > 3 ? std::stoul(words[3]) : 4;
    if (seconds < 1 || seconds > 86'400 || sellers < 1 || sellers > 64) return demo::usage();
    // Whoever started us may be killed too.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    std::signal(SIGINT, demo::note_signal);
    std::signal(SIGTERM, demo::note_signal);
    std::signal(SIGHUP, demo::note_signal);
    return demo::run(words[0], words[1], std::chrono::seconds(seconds), static_cast<unsigned>(sellers));
  } catch (const demo::Wrong& wrong) {
    std::fprintf(stderr, "wrong: %s\n", wrong.what.c_str());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ingot-demo: %s\n", error.what());
    return 2;
  }
}
