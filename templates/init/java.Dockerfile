# The {{ type }} process of {{ app }}: made by `dynosim init`, yours to change.
{% if s.tool == "maven" %}
FROM {{ "eclipse-temurin:" ~ s.version ~ "-jdk" if s.wrapper else "maven:3-eclipse-temurin-" ~ s.version }} AS build
WORKDIR /src
COPY . .
RUN {{ "sh ./mvnw" if s.wrapper else "mvn" }} --batch-mode --no-transfer-progress -DskipTests {{ s.task }} \
    && find target -maxdepth 1 -name '*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar' ! -name 'original-*.jar' \
       -exec cp {} /app.jar \;
{% else %}
FROM {{ "eclipse-temurin:" ~ s.version ~ "-jdk" if s.wrapper else "gradle:jdk" ~ s.version }} AS build
WORKDIR /src
COPY . .
{% if s.jar %}
RUN {{ "sh ./gradlew" if s.wrapper else "gradle" }} --no-daemon {{ s.task }} \
    && find build/libs -maxdepth 1 -name '*.jar' ! -name '*-plain.jar' -exec cp {} /app.jar \;
{% else %}
RUN {{ "sh ./gradlew" if s.wrapper else "gradle" }} --no-daemon {{ s.task }} && mv build/install/{{ s.name }} /app
{% endif %}
{% endif %}

FROM eclipse-temurin:{{ s.version }}-jre
# Room for the smallest dynos (512 MB, 256 processes and threads): a JVM left alone takes what the machine has.
ENV JAVA_TOOL_OPTIONS="-Xmx300m -Xss512k -XX:CICompilerCount=2"
WORKDIR /app
{% if s.jar %}
COPY --from=build /app.jar ./app.jar
{% else %}
COPY --from=build /app ./
{% endif %}
{% include "user" %}
CMD {{ cmd }}
