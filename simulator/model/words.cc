// Steps in words, for counterexamples.
#include <string>

#include "model/steps.h"

namespace ingot::bucket_model {

namespace {

std::string name_of(const World& world, int process) {
  if (process < 0) return "";
  if (process >= static_cast<int>(world.roles.size())) return std::string(1, world.roles.front().name) + "'s copy";
  return std::string(1, world.role(process).name);
}

std::string number(int value) {
  return std::to_string(value);
}

std::string entry_name(const World& world, const Entry& entry) {
  if (entry.empty()) return "nothing";
  std::string name = name_of(world, entry.owner());
  if (entry.heir() == 2) name += "'s copy";
  name += "'s transaction " + number(entry.transaction()) + " (attempt " + number(entry.sequence());
  if (entry.epoch() != 0) name += ", second session";
  if (entry.upload() != 0) name += ", names upload " + number(entry.upload());
  return name + ")";
}

std::string boundary_name(const World& world, const State& state, int index) {
  if (index == 0) return "there is none yet";
  return "it is number " + number(index) + ", slots up to " + number(first_left(world, state, index) - 1) +
         " may be gone";
}

std::string checkpoint_name(int checkpoint) {
  return "the checkpoint before slot " + number(checkpoint);
}

std::string reading(const State& before, const Process& process, int slot, const World& world) {
  const Entry& won = before.won(slot);
  std::string words = "reads slot " + number(slot) + ": " + entry_name(world, won);
  if (!process.attempt.empty()) words += won == process.attempt ? ", its own: kept" : ", not its attempt: lost";
  return words;
}

std::string committing(const State& before, const Step& step, const std::string& who, const Process* process) {
  const std::string transaction = "transaction " + number(step.a);
  const std::string slot = "slot " + number(step.b);
  switch (step.action) {
    case Action::put_is_carried_out:
      return "the server carries out " + who + "'s put of " + transaction + " for " + slot + "; no answer arrives";
    case Action::put_is_carried_out_answered:
      return "the server carries out the put of " + transaction + " for " + slot + "; \"done\" is on its way to " + who;
    case Action::sends:
      return who + " sends " + transaction + " for " + slot + " (attempt " + number(process->sequence + 1) +
             "), signed with the date of its confirmation";
    case Action::sends_again:
      return who + " sends " + transaction + " for " + slot + " again";
    case Action::rechecks:
      return who + " puts " + transaction + " in " + slot + " once more, to see that it can't";
    case Action::hears_recheck:
      return who + " hears that slot " + number(step.a) + " exists";
    case Action::hears_done:
      return who + " hears that " + transaction + " is done, in " + slot + ": kept";
    case Action::gives_up_undecided:
      return who + "'s deadline passes: " + transaction + " is undecided";
    case Action::gives_up_unavailable:
      return who + "'s deadline passes with nothing under way: " + transaction + " is reported as unavailable";
    case Action::gives_up_refused:
      return who + " is answered 503 to a copy, its deadline passes: " + transaction + " is reported as unavailable";
    case Action::gives_up_timed_out:
      return who + " hears nothing, its deadline passes: " + transaction + " is reported as unavailable";
    case Action::gives_up_not_there:
      return who + " finds nothing in slot " + number(step.a) + ": transaction " +
             number(before.processes[static_cast<std::size_t>(step.process)].transaction) +
             " is reported as unavailable";
    default:
      return "";
  }
}

std::string opening(const Step& step, const std::string& who) {
  const std::string checkpoint = step.a == 1 ? "the beginning of the log" : checkpoint_name(step.a);
  switch (step.action) {
    case Action::begins_listing:
      return who + " begins to list the checkpoints";
    case Action::lists:
      return who + " has listed the checkpoints, and opens from " + checkpoint;
    case Action::loads:
      return who + " has read " + checkpoint +
             (step.b >= step.a ? ", and the log up to slot " + number(step.b) : std::string());
    case Action::loads_with_tail:
      return who + " has read " + checkpoint + ", and a tail up to slot " + number(step.b);
    case Action::finds_vanished:
      return who + " finds that " + checkpoint + " has vanished, and lists again";
    case Action::lists_again:
      return who + " knows a boundary beyond " + checkpoint + ", and lists again";
    default:
      return "";
  }
}

std::string collecting(const Step& step, const std::string& who) {
  const std::string checkpoint = checkpoint_name(step.a);
  switch (step.action) {
    case Action::writes_checkpoint:
      return who + " writes " + checkpoint;
    case Action::replaces_own:
      return who + " writes " + checkpoint + ", and removes " + checkpoint_name(step.b);
    case Action::does_not_read_back:
      return who + " sends " + checkpoint + ", hears nothing, and takes it for written";
    case Action::proposes:
      return who + " sends boundary " + number(step.a) + ", naming " + checkpoint_name(step.b);
    case Action::boundary_is_created:
      return "boundary " + number(step.a) + " is created: it names " + checkpoint_name(step.b);
    case Action::records_seen:
      return who + " notes that it saw boundary " + number(step.a) +
             (step.b == 0 ? std::string(" just now") : ", " + number(step.b) + " steps of the clock ago");
    case Action::begins_sweep:
      return who + " lists what may go below boundary " + number(step.a);
    case Action::notes_swept:
      return who + " notes that all below boundary " + number(step.a) + " is gone";
    case Action::deletes_slot:
      return who + " deletes slot " + number(step.a);
    case Action::deletes_checkpoint:
      return who + " deletes " + checkpoint;
    case Action::writes_tail:
      return who + " writes a tail: slots " + number(step.a) + " to " + number(step.b);
    case Action::tail_vanishes:
      return "the tail is removed";
    default:
      return "";
  }
}

std::string uploading(const Step& step, const std::string& who) {
  const std::string upload = "upload " + number(step.a);
  switch (step.action) {
    case Action::uploads:
      return who + " sends " + upload;
    case Action::uploads_again:
      return who + " sends " + upload + " again";
    case Action::upload_is_carried_out:
      return "the server carries out " + upload;
    case Action::hears_uploaded:
      return who + " hears that " + upload + " is there";
    case Action::deletes_upload:
      return who + " deletes " + upload;
    default:
      return "";
  }
}

}  // namespace

std::string in_words(const World& world, const State& before, const Step& step) {
  const std::string who = name_of(world, step.process);
  const Process* const process = step.process < 0 ? nullptr : &before.processes[static_cast<std::size_t>(step.process)];
  switch (step.action) {
    case Action::time_passes:
      return "time passes";
    case Action::month_passes:
      return "a month passes";
    case Action::confirms:
      return who + " confirms the boundary: " + boundary_name(world, before, step.a);
    case Action::confirms_one:
      return who + " reads boundary " + number(step.a) + " and does not ask for the next one";
    case Action::confirms_removed:
      return who + " asks for boundary " + number(step.a + 1) + ", which was removed";
    case Action::finds_gone:
      return who + " confirms the boundary: " + boundary_name(world, before, step.a) + "; it opens anew";
    case Action::reads:
      return who + " " + reading(before, *process, step.a, world);
    case Action::finds_absent:
      return who + " finds nothing in slot " + number(step.a);
    case Action::gets:
      return who + " gets an answer about slot " + number(step.a) + ", and does not look at it yet";
    case Action::is_killed:
      return who + " is killed, and starts again as a new session";
    case Action::is_copied:
      return who + "'s machine is copied, with the request in flight";
    default:
      break;
  }
  for (const std::string& words :
       {committing(before, step, who, process), opening(step, who), collecting(step, who), uploading(step, who)}) {
    if (!words.empty()) return words;
  }
  return "?";
}

}  // namespace ingot::bucket_model
