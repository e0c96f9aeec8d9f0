// Profile files, and what the environment and they together say.
#include "s3/profile.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ingot/error.h"
#include "s3/configuration.h"
#include "s3/credential_plan.h"
#include "support/temporary_directory.h"

namespace ingot::s3 {
namespace {

using Sections = std::map<std::string, Properties, std::less<>>;

TEST(ProfileFile, HasSectionsSettingsAndComments) {
  const ProfileFile file = parse_profile_file(
      "# a comment\n"
      "[default]\n"
      "aws_access_key_id = AKIA1\r\n"
      "  ; another\n"
      "AWS_SECRET_ACCESS_KEY=a#b=c;d  # a third\n"
      "empty =\n"
      "\n"
      "[profile  work ] ; a fourth\n"
      "region=eu-central-1\n"
      "[profile \"two words\"]\n"
      "region = x\n"
      "[default]\n"
      "region = later\n"
      "region = last");
  EXPECT_EQ(file.error, "");
  EXPECT_EQ(
      file.sections,
      (Sections{
          {"default",
           {{"aws_access_key_id", "AKIA1"}, {"aws_secret_access_key", "a#b=c;d"}, {"empty", ""}, {"region", "last"}}},
          {"profile work", {{"region", "eu-central-1"}}},
          {"profile two words", {{"region", "x"}}}}));
}

TEST(ProfileFile, HasSettingsInsideOfOthersAndContinuedValues) {
  const ProfileFile file = parse_profile_file(
      "[services local]\n"
      "s3 =\n"
      "  endpoint_url = http://127.0.0.1:9000\n"
      "\taddressing = path # why\n"
      "sts =\n"
      "  endpoint_url = http://127.0.0.1:9001\n"
      "long = one\n"
      "  two\n"
      "  three\n");
  EXPECT_EQ(file.error, "");
  EXPECT_EQ(file.sections.at("services local"), (Properties{{"s3", ""},
                                                            {"s3.endpoint_url", "http://127.0.0.1:9000"},
                                                            {"s3.addressing", "path"},
                                                            {"sts", ""},
                                                            {"sts.endpoint_url", "http://127.0.0.1:9001"},
                                                            {"long", "one\ntwo\nthree"}}));
}

TEST(ProfileFile, MayHaveAllItsSettingsIndented) {
  const ProfileFile file = parse_profile_file(
      "[default]\n"
      "    aws_access_key_id = a\n"
      "    aws_secret_access_key = b\n"
      "  s3 =\n"
      "\t    endpoint_url = c\n"
      "  region = d\n"
      "[profile b]\n"
      "  region = e\n");
  EXPECT_EQ(file.error, "");
  EXPECT_EQ(file.sections.at("default"), (Properties{{"aws_access_key_id", "a"},
                                                     {"aws_secret_access_key", "b"},
                                                     {"s3", ""},
                                                     {"s3.endpoint_url", "c"},
                                                     {"region", "d"}}));
  EXPECT_EQ(file.sections.at("profile b"), (Properties{{"region", "e"}}));
}

TEST(ProfileFile, IsEmptyIfItIs) {
  for (const char* text : {"", "\n", "# comment", "\xef\xbb\xbf", "  \n\t\n"}) {
    const ProfileFile file = parse_profile_file(text);
    EXPECT_EQ(file.error, "");
    EXPECT_TRUE(file.sections.empty());
  }
}

TEST(ProfileFile, NamesTheLineThatIsWrongAndNoValue) {
  for (const char* text : {"[a]\nk=v\n[b\n", "[a]\nk=v\n[]\n", "[a]\nk=v\n[b] c\n", "[a]\nk=v\nsecretword\n",
                           "[a]\nk=v\n=secretword\n", "\n\nsecretword=1\n", "\n\n  secretword\n",
                           "[a]\nouter=\n  secretword\n", "[a]\nouter=\n  =secretword\n", "[a]\n\n  secretword\n"}) {
    const ProfileFile file = parse_profile_file(text);
    EXPECT_TRUE(file.error.starts_with("line 3: ")) << text << file.error;
    EXPECT_EQ(file.error.find("secretword"), std::string::npos);
    EXPECT_TRUE(file.sections.empty());
  }
}

class ProfilesTest : public ::testing::Test {
 protected:
  ProfilesTest() {
    std::filesystem::create_directory(home_.at(".aws"));
    environment_["HOME"] = home_.path();
  }
  void write(const std::string& name, const std::string& text) { std::ofstream(home_.at(name)) << text; }
  // The sentence with which something is refused; empty: it is not.
  template <class Call>
  static std::string refusal(Call&& call) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.what();
    }
    return {};
  }
  CredentialPlan plan() { return plan_credentials(environment_, load_profile(environment_)); }
  std::string plan_refusal() {
    return refusal([&] { (void)plan(); });
  }

  ingot::testing::TemporaryDirectory home_;
  Environment environment_;
};

TEST_F(ProfilesTest, AreJoinedAndTheCredentialsFileGoesFirst) {
  write(".aws/credentials", "[default]\naws_access_key_id = id\naws_secret_access_key = secret\nregion = first\n");
  write(".aws/config", "[default]\nregion = second\noutput = json\n[profile other]\nregion = third\n");
  const Profile profile = load_profile(environment_);
  EXPECT_EQ(profile.name, "default");
  EXPECT_EQ(
      profile.properties,
      (Properties{
          {"aws_access_key_id", "id"}, {"aws_secret_access_key", "secret"}, {"region", "first"}, {"output", "json"}}));
  environment_["AWS_PROFILE"] = "other";
  EXPECT_EQ(load_profile(environment_).properties, (Properties{{"region", "third"}}));
}

TEST_F(ProfilesTest, MayLieElsewhere) {
  write("c1", "[work]\naws_access_key_id = id\n");
  write("c2", "[profile work]\nregion = there\n");
  environment_["AWS_SHARED_CREDENTIALS_FILE"] = home_.at("c1");
  environment_["AWS_CONFIG_FILE"] = "~/c2";
  environment_["AWS_PROFILE"] = "work";
  EXPECT_EQ(load_profile(environment_).properties, (Properties{{"aws_access_key_id", "id"}, {"region", "there"}}));
}

TEST_F(ProfilesTest, NeedNotBeThereButWhatIsNamedMust) {
  EXPECT_TRUE(load_profile(environment_).properties.empty());
  environment_.erase("HOME");
  EXPECT_TRUE(load_profile(environment_).properties.empty());
  environment_["AWS_PROFILE"] = "none";
  EXPECT_NE(refusal([&] { (void)load_profile(environment_); }).find("\"none\", which AWS_PROFILE names"),
            std::string::npos);
}

TEST_F(ProfilesTest, AreRefusedIfTheyCannotBeRead) {
  write(".aws/config", "[default]\nhello\n");
  EXPECT_NE(refusal([&] { (void)load_profile(environment_); }).find(".aws/config\": line 2: neither"),
            std::string::npos);
  write(".aws/config", std::string(kProfileFileBytesMax + 1, '\n'));
  EXPECT_NE(refusal([&] { (void)load_profile(environment_); }).find("larger than"), std::string::npos);
  write(".aws/config", std::string(kProfileFileBytesMax, '\n'));
  EXPECT_TRUE(load_profile(environment_).properties.empty());
  environment_["AWS_CONFIG_FILE"] = home_.path();
  EXPECT_NE(refusal([&] { (void)load_profile(environment_); }).find("Is a directory"), std::string::npos);
}

TEST_F(ProfilesTest, SayRegionAndEndpointAfterTheEnvironment) {
  write(".aws/config",
        "[default]\nregion = profile-1\nservices = mine\nendpoint_url = http://global\n"
        "[services mine]\ns3 =\n  endpoint_url = http://services\n");
  const auto host = [&] {
    const Configuration configuration = configure(environment_);
    return configuration.s3_endpoint ? configuration.s3_endpoint->host : "";
  };
  EXPECT_EQ(configure(environment_).region, "profile-1");
  EXPECT_EQ(host(), "services");
  EXPECT_EQ(configure(environment_).sts_endpoint->host, "global");
  environment_["AWS_DEFAULT_REGION"] = "default-1";
  environment_["AWS_ENDPOINT_URL"] = "http://every";
  EXPECT_EQ(configure(environment_).region, "default-1");
  EXPECT_EQ(host(), "every");
  environment_["AWS_REGION"] = "region-1";
  environment_["AWS_ENDPOINT_URL_S3"] = "http://s3";
  environment_["AWS_ENDPOINT_URL_STS"] = "http://sts";
  EXPECT_EQ(configure(environment_).region, "region-1");
  EXPECT_EQ(host(), "s3");
  EXPECT_EQ(configure(environment_).sts_endpoint->host, "sts");
  environment_["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "TRUE";
  EXPECT_EQ(host(), "");
}

TEST_F(ProfilesTest, SayMoreThatAllToolsHeed) {
  for (const char* name : {"a.pem", "b.pem"}) write(name, "");
  write(".aws/config", "[default]\nca_bundle = " + home_.at("a.pem") + "\nuse_fips_endpoint = true\n");
  Configuration configuration = configure(environment_);
  EXPECT_EQ(configuration.transport.ca_bundle, home_.at("a.pem"));
  EXPECT_TRUE(configuration.aws.fips);
  EXPECT_FALSE(configuration.aws.dual_stack);
  environment_["AWS_CA_BUNDLE"] = home_.at("b.pem");
  environment_["AWS_USE_DUALSTACK_ENDPOINT"] = "true";
  environment_["AWS_USE_FIPS_ENDPOINT"] = "false";
  configuration = configure(environment_);
  EXPECT_EQ(configuration.transport.ca_bundle, home_.at("b.pem"));
  EXPECT_FALSE(configuration.aws.fips);
  EXPECT_TRUE(configuration.aws.dual_stack);
}

TEST_F(ProfilesTest, CertificatesThatCannotBeReadAreRefusedUnlessNobodyNeedsThem) {
  environment_["AWS_CA_BUNDLE"] = home_.at("none.pem");
  const std::string sentence = refusal([&] { (void)configure(environment_); });
  EXPECT_NE(sentence.find("none.pem\" of AWS_CA_BUNDLE: No such file"), std::string::npos) << sentence;
  environment_["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9000";
  EXPECT_EQ(refusal([&] { (void)configure(environment_); }), "");
}

TEST_F(ProfilesTest, TheEnvironmentNamesProxies) {
  environment_["http_proxy"] = "http://a";
  environment_["HTTP_PROXY"] = "http://b";
  environment_["ALL_PROXY"] = "http://c";
  environment_["NO_PROXY"] = "d";
  Transport transport = configure(environment_).transport;
  EXPECT_EQ(transport.http_proxy, "http://a");
  EXPECT_EQ(transport.https_proxy, "http://c");
  EXPECT_EQ(transport.no_proxy, "d");
  environment_["https_proxy"] = "http://e";
  EXPECT_EQ(configure(environment_).transport.https_proxy, "http://e");
  EXPECT_EQ(configure({}).transport.http_proxy, "");
}

TEST_F(ProfilesTest, CannotNameARegionThatIsNoName) {
  environment_["AWS_REGION"] = "a.evil.example/";
  EXPECT_NE(refusal([&] { (void)configure(environment_); }).find("of AWS_REGION"), std::string::npos);
}

TEST_F(ProfilesTest, CredentialsComeFromTheEnvironmentFirst) {
  write(".aws/credentials", "[default]\naws_access_key_id = profile\naws_secret_access_key = secret2\n");
  environment_["AWS_ACCESS_KEY_ID"] = "id";
  environment_["AWS_SECRET_ACCESS_KEY"] = "secret";
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/token";
  environment_["AWS_ROLE_ARN"] = "role";
  CredentialPlan found = plan();
  EXPECT_EQ(found.kind, CredentialPlan::Kind::keys);
  EXPECT_EQ(found.keys, (Credentials{"id", "secret", "", {}}));
  environment_["AWS_SESSION_TOKEN"] = "token";
  EXPECT_EQ(plan().keys.token, "token");

  environment_.erase("AWS_ACCESS_KEY_ID");
  environment_["AWS_SECRET_ACCESS_KEY"] = "";  // as if it was not there
  found = plan();
  EXPECT_EQ(found.kind, CredentialPlan::Kind::web_identity);
  EXPECT_EQ(found.role, "role");
  EXPECT_EQ(found.token_file, "/token");

  environment_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  environment_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/x";
  found = plan();
  EXPECT_EQ(found.kind, CredentialPlan::Kind::keys);
  EXPECT_EQ(found.keys, (Credentials{"profile", "secret2", "", {}}));

  std::filesystem::remove(home_.at(".aws/credentials"));
  EXPECT_EQ(plan().kind, CredentialPlan::Kind::container);
  environment_.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://localhost/x";
  EXPECT_EQ(plan().kind, CredentialPlan::Kind::container);
  environment_.erase("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  EXPECT_EQ(plan().kind, CredentialPlan::Kind::instance);
  environment_["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_NE(plan_refusal().find("there are none in the environment"), std::string::npos);
}

TEST_F(ProfilesTest, AProfileMayHaveAWebIdentity) {
  write(".aws/config", "[default]\nrole_arn = r\nweb_identity_token_file = /t\nrole_session_name = me\n");
  const CredentialPlan found = plan();
  EXPECT_EQ(found.kind, CredentialPlan::Kind::web_identity);
  EXPECT_EQ(found.role, "r");
  EXPECT_EQ(found.session_name, "me");
}

TEST_F(ProfilesTest, HalfOfSomethingIsRefused) {
  environment_["AWS_ACCESS_KEY_ID"] = "AKIAWORD";
  std::string sentence = plan_refusal();
  EXPECT_NE(sentence.find("only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), std::string::npos);
  EXPECT_EQ(sentence.find("AKIAWORD"), std::string::npos);
  environment_.erase("AWS_ACCESS_KEY_ID");
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/t";
  EXPECT_NE(plan_refusal().find("without AWS_ROLE_ARN"), std::string::npos);
  environment_.clear();
  environment_["HOME"] = home_.path();
  write(".aws/config", "[default]\naws_secret_access_key = SECRETWORD\n");
  sentence = plan_refusal();
  EXPECT_NE(sentence.find("profile \"default\" has only one of"), std::string::npos);
  EXPECT_EQ(sentence.find("SECRETWORD"), std::string::npos);
}

TEST_F(ProfilesTest, KeysThatWouldBreakAHeaderAreRefused) {
  environment_["AWS_ACCESS_KEY_ID"] = "id\r\nx-evil: 1";
  environment_["AWS_SECRET_ACCESS_KEY"] = "secret";
  EXPECT_NE(plan_refusal().find("characters that none has"), std::string::npos);
  environment_["AWS_ACCESS_KEY_ID"] = "id";
  environment_["AWS_SESSION_TOKEN"] = "a b";
  EXPECT_NE(plan_refusal().find("characters that none has"), std::string::npos);
}

// As a file with a line's end, or a copied line, brings them: the server would only say that the signature is wrong.
TEST_F(ProfilesTest, ASecretWithSpaceAroundItIsRefused) {
  environment_["AWS_ACCESS_KEY_ID"] = "id";
  for (const char* secret : {"secretword\n", "secretword\r", " secretword", "secretword "}) {
    environment_["AWS_SECRET_ACCESS_KEY"] = secret;
    const std::string sentence = refusal([&] { (void)plan_credentials(environment_, load_profile(environment_)); });
    EXPECT_NE(sentence.find("a line's end"), std::string::npos) << sentence;
    EXPECT_EQ(sentence.find("secretword"), std::string::npos) << sentence;
  }
  environment_["AWS_SECRET_ACCESS_KEY"] = "secret word";
  EXPECT_EQ(refusal([&] { (void)plan_credentials(environment_, load_profile(environment_)); }), "");
}

TEST_F(ProfilesTest, WhatWeCannotDoIsRefusedAndNotPassedOver) {
  for (const char* name : {"credential_process", "sso_session", "sso_start_url", "login_session"}) {
    write(".aws/config", std::string("[default]\n") + name + " = x\n");
    EXPECT_NE(plan_refusal().find(std::string("by ") + name), std::string::npos);
  }
  for (const char* name : {"source_profile", "credential_source"}) {
    write(".aws/config", std::string("[default]\nrole_arn = r\naws_access_key_id = id\naws_secret_access_key = s\n") +
                             name + " = x\n");
    EXPECT_NE(plan_refusal().find(std::string("by ") + name), std::string::npos);
  }
  // Keys beside them go first, as with other tools.
  write(".aws/config", "[default]\nsso_session = x\naws_access_key_id = id\naws_secret_access_key = s\n");
  EXPECT_EQ(plan().kind, CredentialPlan::Kind::keys);
}

}  // namespace
}  // namespace ingot::s3
