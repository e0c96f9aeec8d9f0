#include "support/fake_s3/control.h"

#include <algorithm>
#include <stdexcept>

#include "support/fake_s3/error.h"

namespace ingot::fake_s3 {

namespace {

constexpr std::string_view kControlPath = "/_fake/";

// The parameters of one control request. What nobody asked for at the end was a mistake.
class Parameters {
 public:
  explicit Parameters(const Request& request) : all_(query_parameters(request.query)) {}

  std::optional<std::string> text(std::string_view name) {
    const auto it = std::find_if(all_.begin(), all_.end(), [name](const auto& one) { return one.first == name; });
    if (it == all_.end()) return {};
    std::string value = it->second;
    all_.erase(it);
    return value;
  }
  std::optional<std::int64_t> number(std::string_view name) {
    const std::optional<std::string> value = text(name);
    return value ? std::optional(to_number(*value)) : std::nullopt;
  }
  void check_all_are_known() const {
    if (!all_.empty()) throw std::invalid_argument("there is no parameter " + all_.front().first + " here");
  }
  static std::int64_t to_number(const std::string& value) {
    const bool negative = !value.empty() && value.front() == '-';
    const std::optional<std::uint64_t> number = parse_number(std::string_view(value).substr(negative ? 1 : 0));
    if (!number) throw std::invalid_argument('"' + value + "\" is no number");
    return negative ? -static_cast<std::int64_t>(*number) : static_cast<std::int64_t>(*number);
  }

 private:
  Fields all_;
};

void control_fault(Parameters& parameters, Machine& machine) {
  FaultRule rule;
  const std::string name = parameters.text("fault").value_or("");
  const std::optional<Fault> fault = fault_of(name);
  if (!fault) throw std::invalid_argument("there is no fault \"" + name + "\"");
  rule.fault = *fault;
  if (const std::optional<std::string> verb = parameters.text("verb")) {
    rule.verb = verb_of(*verb);
    if (!rule.verb) throw std::invalid_argument("there is no verb \"" + *verb + "\"");
  }
  rule.key_prefix = parameters.text("key_prefix").value_or("");
  rule.count = static_cast<std::uint64_t>(std::max<std::int64_t>(1, parameters.number("count").value_or(1)));
  rule.skip = static_cast<std::uint64_t>(std::max<std::int64_t>(0, parameters.number("skip").value_or(0)));
  rule.delay = std::chrono::milliseconds(parameters.number("delay").value_or(0));
  rule.held = parameters.number("held").value_or(0) != 0;
  if (const std::optional<std::int64_t> seconds = parameters.number("retry_after")) {
    rule.retry_after = static_cast<std::uint64_t>(*seconds);
  }
  machine.faults.add(rule);
}

void control_latency(Parameters& parameters, Machine& machine) {
  machine.latency.set({.fixed = std::chrono::milliseconds(parameters.number("fixed").value_or(0)),
                       .jitter = std::chrono::milliseconds(parameters.number("jitter").value_or(0)),
                       .tail = parameters.number("tail").value_or(0) != 0});
}

void control_skews(Parameters& parameters, Machine& machine) {
  std::vector<std::chrono::seconds> skews;
  std::string list = parameters.text("seconds").value_or("");
  while (!list.empty()) {
    const std::string one = list.substr(0, list.find(','));
    list.erase(0, one.size() + 1);
    skews.emplace_back(Parameters::to_number(one));
  }
  machine.clock.set_skews(std::move(skews));
}

void control_profile(Parameters& parameters, Machine& machine) {
  const std::string name = parameters.text("name").value_or("");
  const std::optional<Profile> profile = profile_of(name);
  if (!profile) throw std::invalid_argument("there is no profile \"" + name + "\"");
  machine.set_behaviour(behaviour_of(*profile));
}

void control_outage(Parameters& parameters, Machine& machine) {
  const std::string kind = parameters.text("kind").value_or("");
  const std::optional<std::int64_t> lasts = parameters.number("lasts");
  if (kind == "none") {
    machine.set_outage(Outage::none, {});
  } else if (kind == "silent") {
    if (lasts) throw std::invalid_argument("silent lasts until it is none");
    machine.set_outage(Outage::silent, {});
  } else if (kind == "refused") {
    if (!lasts) throw std::invalid_argument("refused needs lasts=MS: nobody could end it");
    machine.set_outage(Outage::refused, std::chrono::milliseconds(*lasts));
  } else {
    throw std::invalid_argument("an outage is none, silent or refused");
  }
}

std::string counts_text(Machine& machine) {
  std::string text;
  for (const auto& [what, number] : machine.journal.counts()) {
    text +=
        std::string(verb_name(what.first)) + ' ' + std::to_string(what.second) + ' ' + std::to_string(number) + '\n';
  }
  return text + "connections " + std::to_string(machine.journal.connections()) + '\n';
}

std::string keys_text(Parameters& parameters, Machine& machine) {
  std::string text;
  for (const std::string& key : machine.objects.keys(parameters.text("bucket").value_or("bucket"))) text += key + '\n';
  return text;
}

// The answer's text.
std::string carry_out(const std::string& what, Parameters& parameters, Machine& machine) {
  if (what == "GET counts") return counts_text(machine);
  if (what == "GET log") return machine.journal.log(static_cast<std::size_t>(parameters.number("lines").value_or(30)));
  if (what == "GET keys") return keys_text(parameters, machine);
  if (what == "POST fault")
    control_fault(parameters, machine);
  else if (what == "POST clear")
    machine.faults.clear();
  else if (what == "POST release")
    machine.gate.release();
  else if (what == "POST latency")
    control_latency(parameters, machine);
  else if (what == "POST clock")
    machine.clock.set_offset(std::chrono::seconds(parameters.number("offset").value_or(0)));
  else if (what == "POST skews")
    control_skews(parameters, machine);
  else if (what == "POST expire")
    machine.keys.expire(parameters.text("access_key").value_or(machine.options.access_key));
  else if (what == "POST profile")
    control_profile(parameters, machine);
  else if (what == "POST outage")
    control_outage(parameters, machine);
  else if (what == "POST hang-up")
    machine.hang_up();
  else
    throw std::invalid_argument("there is no \"" + what + "\"; see control.h");
  return "done\n";
}

}  // namespace

bool is_control(const Request& request) {
  return request.path.rfind(kControlPath, 0) == 0;
}

Response handle_control(const Request& request, Machine& machine) {
  Response response;
  response.headers.emplace_back("Content-Type", "text/plain");
  Parameters parameters(request);
  try {
    response.body = carry_out(request.method + ' ' + request.path.substr(kControlPath.size()), parameters, machine);
    parameters.check_all_are_known();
  } catch (const S3Error& error) {
    response.status = 400;
    response.body = error.message + '\n';
  } catch (const std::invalid_argument& error) {
    response.status = 400;
    response.body = std::string(error.what()) + '\n';
  }
  return response;
}

}  // namespace ingot::fake_s3
