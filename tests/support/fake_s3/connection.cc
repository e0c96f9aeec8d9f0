#include "support/fake_s3/connection.h"

#include <array>
#include <cstdio>

#include "support/fake_s3/control.h"
#include "support/fake_s3/signature.h"

namespace ingot::fake_s3 {

namespace {

bool is_write(Verb verb) {
  return verb == Verb::put || verb == Verb::finish_upload;
}

bool is(const std::optional<FaultRule>& rule, Fault fault) {
  return rule && rule->fault == fault;
}

// The faults that keep a request from being done, as the answers that they are.
void throw_instead(Fault fault, const Behaviour& behaviour, Verb verb) {
  switch (fault) {
    case Fault::conflict:
      throw S3Error(409, "ConditionalRequestConflict",
                    "The conditional request cannot succeed due to a conflicting operation against this resource.");
    case Fault::throttled:
      throw S3Error(verb == Verb::get || verb == Verb::head || verb == Verb::list ? behaviour.slow_read
                                                                                  : behaviour.slow_write);
    case Fault::too_many:
      throw S3Error(429, "TooManyRequests", "Please reduce your request rate.");
    case Fault::unavailable:
      throw S3Error(503, "ServiceUnavailable", "Service is unable to handle request.");
    case Fault::fails:
      throw S3Error(500, "InternalError", "We encountered an internal error. Please try again.");
    case Fault::bad_gateway:
      throw S3Error(502, "BadGateway", "");
    case Fault::error_in_200:
      throw S3Error(200, "InternalError", "We encountered an internal error. Please try again.");
    case Fault::expired:
      throw S3Error(behaviour.expired);
    case Fault::skewed:
      throw S3Error(403, "RequestTimeTooSkewed",
                    "The difference between the request time and the current time is too large.");
    default:
      return;
  }
}

// The same, of those that answer what did not happen.
std::optional<Fault> answers_as(const std::optional<FaultRule>& rule) {
  if (is(rule, Fault::fails_done)) return Fault::fails;
  if (is(rule, Fault::bad_gateway_done)) return Fault::bad_gateway;
  if (is(rule, Fault::error_in_200_done)) return Fault::error_in_200;
  return {};
}

}  // namespace

void Connection::run() {
  for (;;) {
    Request request;
    switch (stream_.read_head(request)) {
      case Stream::Head::ended:
        return;
      case Stream::Head::malformed: {
        Course course{};
        course.begun = std::chrono::steady_clock::now();
        course.behaviour = machine_.behaviour();
        course.now = machine_.clock.now(number_);
        refuse_unread(course, S3Error(400, "BadRequest", "An error occurred when parsing the HTTP request."));
        return;
      }
      case Stream::Head::read:
        break;
    }
    if (!serve(std::move(request))) return;
  }
}

bool Connection::serve(Request request) {
  if (is_control(request)) {
    if (!stream_.read_body(parse_number(request.header_or("content-length", "0")).value_or(0), request.body))
      return false;
    return stream_.send(handle_control(request, machine_));
  }
  Course course{};
  course.begun = std::chrono::steady_clock::now();
  course.number = ++machine_.requests;
  course.request = std::move(request);
  course.operation = operation_of(course.request);
  if (!machine_.gate.is_open()) {
    note(course, 0, "silence");
    return false;
  }
  course.behaviour = machine_.behaviour();
  course.now = machine_.clock.now(number_);
  course.latency = machine_.latency.draw();
  course.rule = machine_.faults.take(course.operation.verb, course.operation.subject());
  if (is(course.rule, Fault::reset)) {
    note(course, 0, "reset");
    stream_.reset();
    return false;
  }
  if (is_write(course.operation.verb)) arrive(course);
  return read_body(course) && answer(course);
}

void Connection::arrive(Course& course) {
  try {
    course.arrival.emplace(machine_.objects.arrive(course.operation.bucket, course.operation.key, course.behaviour));
  } catch (const S3Error& error) {
    course.refusal = error;
  }
}

bool Connection::read_body(Course& course) {
  Request& request = course.request;
  if (request.header("transfer-encoding") != nullptr) {
    return refuse_unread(course, not_implemented("bodies with Transfer-Encoding"));
  }
  const Verb verb = course.operation.verb;
  const std::string* length = request.header("content-length");
  if (length == nullptr) {
    if (verb != Verb::put && verb != Verb::put_part) return true;
    return refuse_unread(course,
                         S3Error(411, "MissingContentLength", "You must provide the Content-Length HTTP header."));
  }
  const std::optional<std::uint64_t> bytes = parse_number(*length);
  if (!bytes) return refuse_unread(course, S3Error(400, "BadRequest", "The Content-Length is no number."));
  if (*bytes > kBodyBytesMax) {
    return refuse_unread(course,
                         S3Error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size."));
  }
  if (lower_case(request.header_or("expect", "")) == "100-continue" &&
      !stream_.send_text("HTTP/1.1 100 Continue\r\n\r\n")) {
    return false;
  }
  if (stream_.read_body(*bytes, request.body)) return true;
  note(course, 0, "the client hung up");
  return false;
}

bool Connection::refuse_unread(Course& course, const S3Error& error) {
  Response response = error_response(error, course.operation, course.behaviour, std::to_string(course.number));
  response.closes = true;
  finish(course, response);
  note(course, response.status, response.code);
  stream_.send(response);
  stream_.close_gently();
  return false;
}

bool Connection::answer(Course& course) {
  if (is(course.rule, Fault::stale)) {
    note(course, 0, "closed when it was read");
    return false;
  }
  if (is(course.rule, Fault::late)) stream_.hang_up();
  Response response;
  try {
    response = handle(course);
    if (const std::optional<Fault> fault = answers_as(course.rule)) {
      throw_instead(*fault, course.behaviour, course.operation.verb);
    }
  } catch (const S3Error& error) {
    response = error_response(error, course.operation, course.behaviour, std::to_string(course.number));
    if (course.rule && course.rule->retry_after) {
      std::erase_if(response.headers, [](const auto& header) { return header.first == "Retry-After"; });
      response.headers.emplace_back("Retry-After", std::to_string(*course.rule->retry_after));
    }
    if (error.code == "BadGateway") response.body = "<html><body><h1>502 Bad Gateway</h1></body></html>\n";
  }
  course.arrival.reset();
  return send(course, response);
}

// With the request's waiting. Throws S3Error.
Response Connection::handle(Course& course) {
  const S3Error stopping(503, "ServiceUnavailable", "The server stops.");
  const Key key =
      verify_signature(course.request, machine_.keys, course.behaviour, machine_.options.region, course.now);
  if (course.behaviour.starting) {
    throw S3Error(503, "XMinioServerNotInitialized", "Server not initialized yet, please try again.");
  }
  if (!wait_before(course)) throw stopping;
  if (course.rule) throw_instead(course.rule->fault, course.behaviour, course.operation.verb);
  if (course.refusal) throw S3Error(*course.refusal);
  const Call call{
      course.request, course.operation, course.behaviour, key, course.now, course.arrival ? &*course.arrival : nullptr};
  return machine_.service.handle(call);
}

bool Connection::wait_before(Course& course) {
  if (!machine_.gate.sleep(course.latency / 2)) return false;
  if (!course.rule || course.rule->fault == Fault::slow_answer) return true;
  if (course.rule->held && !machine_.gate.hold()) return false;
  return machine_.gate.sleep(course.rule->delay);
}

void Connection::finish(const Course& course, Response& response) const {
  std::array<char, 32> id{};
  std::snprintf(id.data(), id.size(), "%016llX", static_cast<unsigned long long>(course.number));
  response.headers.emplace_back("x-amz-request-id", id.data());
  response.headers.emplace_back("Date", http_date(machine_.clock.now(number_)));
  if (*course.behaviour.server != '\0') response.headers.emplace_back("Server", course.behaviour.server);
  if (lower_case(course.request.header_or("connection", "")) == "close") response.closes = true;
  if (course.request.method == "HEAD") {
    response.announced_bytes = response.payload().size();
    response.content.reset();
    response.body.clear();
    response.chunked = false;
  }
}

bool Connection::send(Course& course, Response& response) {
  if (!machine_.gate.sleep(course.latency - course.latency / 2)) return false;
  if (is(course.rule, Fault::slow_answer)) {
    if (course.rule->held && !machine_.gate.hold()) return false;
    if (!machine_.gate.sleep(course.rule->delay)) return false;
  }
  if (is(course.rule, Fault::lost) || is(course.rule, Fault::late)) {
    note(course, 0, "not told: " + std::to_string(response.status) + " " + response.code);
    return false;
  }
  finish(course, response);
  note(course, response.status, response.code);
  if (is(course.rule, Fault::cut)) {
    const std::size_t bytes = response.payload().size();
    if (bytes > 0) stream_.send(response, bytes / 2);
    return false;
  }
  return stream_.send(response) && !response.closes;
}

void Connection::note(const Course& course, int status, const std::string& code) {
  const auto since = [](std::chrono::steady_clock::duration duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + " ms";
  };
  const auto now = std::chrono::steady_clock::now();
  std::string line = since(course.begun - machine_.begun) + " #" + std::to_string(course.number) + ' ' +
                     verb_name(course.operation.verb) + ' ' + course.operation.bucket + '/' +
                     course.operation.subject();
  for (const char* name : {"if-none-match", "if-match", "range", "x-amz-date"}) {
    if (const std::string* value = course.request.header(name)) line += std::string(" ") + name + ": " + *value;
  }
  if (!course.request.body.empty()) line += ", " + std::to_string(course.request.body.size()) + " bytes";
  line += " -> " + std::to_string(status) + (code.empty() ? "" : " " + code);
  if (course.rule) line += std::string(" (fault: ") + fault_name(course.rule->fault) + ")";
  machine_.journal.add(course.operation.verb, status, line + ", " + since(now - course.begun));
}

}  // namespace ingot::fake_s3
